"""What the package must hold, and what the CMake files say it holds.

The CMake macro stops on a listed file that is missing, but an unlisted one is silently left out of the package while
everything works in the source tree. `python Testing/tools/file_lists.py` prints what differs and returns 1 if
anything does; with `--write` it writes `LesionLensFiles.cmake` again. The lists of the modules are kept by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED_LIST = "LesionLensFiles.cmake"
MODULES = ("LesionSegmentation", "MetastasisOutcome", "AttentionExplain")
HEADER = "# Written by Testing/tools/file_lists.py; a test compares it with the disk.\n"
SKIPPED_FOLDERS = {"__pycache__"}


def listed(cmake_file: Path, variable: str) -> list[str]:
    """Return the entries of `set(variable ...)`, `${MODULE_NAME}` filled in; raises `ValueError` if there is none."""
    text = re.sub(r"#.*", "", cmake_file.read_text(encoding="utf-8"))
    values = {m[1]: m[2].split() for m in re.finditer(r"set\(\s*(\w+)\s+([^)]*)\)", text)}
    if variable not in values:
        raise ValueError(f"{cmake_file.name} sets no {variable}")
    name = values.get("MODULE_NAME", [""])[0]
    return [entry.replace("${MODULE_NAME}", name) for entry in values[variable]]


def on_disk(folder: Path, tops: Iterable[str], scripts: bool) -> list[str]:
    """Return the files below `tops`, relative to `folder`: Python files, or all others but CMake lists."""
    found = []
    for top in tops:
        start = folder / top
        for path in sorted([start] if start.is_file() else start.rglob("*")):
            hidden = any(part in SKIPPED_FOLDERS or part.startswith(".") for part in path.relative_to(folder).parts)
            if path.is_file() and not hidden and (path.suffix == ".py") == scripts and path.name != "CMakeLists.txt":
                found.append(path.relative_to(folder).as_posix())
    return found


def expected(root: Path = ROOT) -> dict[tuple[str, str], list[str]]:
    """Return what each list (CMake file, variable) ought to hold."""
    lists = {
        (SHARED_LIST, "LESIONLENS_PYTHON_SCRIPTS"): on_disk(root, ["LesionLensLib"], scripts=True),
        (SHARED_LIST, "LESIONLENS_RESOURCES"): on_disk(root, ["LesionLensLib", "Resources"], scripts=False),
    }
    for module in MODULES:
        folder, tops = root / module, [f"{module}.py", f"{module}Lib"]
        lists[f"{module}/CMakeLists.txt", "MODULE_PYTHON_SCRIPTS"] = on_disk(folder, tops, scripts=True)
        lists[f"{module}/CMakeLists.txt", "MODULE_PYTHON_RESOURCES"] = on_disk(folder, ["Resources"], scripts=False)
    return lists


def differences(root: Path = ROOT) -> list[str]:
    """Return one line for each file that is on disk and not listed, or the other way round."""
    lines = []
    for (cmake_file, variable), wanted in expected(root).items():
        have = listed(root / cmake_file, variable)
        place, twice = f"{cmake_file}: {variable}", {name for name in have if have.count(name) > 1}
        lines += [f"{place} lacks {name}" for name in sorted(set(wanted) - set(have))]
        lines += [f"{place} names {name}, which is not there" for name in sorted(set(have) - set(wanted))]
        lines += [f"{place} names {name} twice" for name in sorted(twice)]
    return lines


def write(root: Path = ROOT) -> None:
    """Write the list of the shared files."""
    parts = [HEADER]
    for (cmake_file, variable), names in expected(root).items():
        if cmake_file == SHARED_LIST:
            parts.append("\n".join([f"set({variable}", *(f"  {name}" for name in names), "  )\n"]))
    (root / SHARED_LIST).write_text("\n".join(parts), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {SHARED_LIST} first")
    if parser.parse_args().write:
        write()
    lines = differences()
    print("\n".join(lines) or "The CMake lists and the disk agree.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
