"""Make the archive that the Extensions Manager of 3D Slicer installs ("Install from file"), without building Slicer.

The extension is Python only, so the archive holds the files the CMake lists name, laid out as CPack lays them out,
and the description file by which the Extensions Manager knows an extension. The same sources give the same bytes.

One archive serves Linux and Windows. On a Mac the manager looks for the extension in a folder inside the archive that
is named after the revision of the application (qSlicerExtensionsManagerModel::extractExtensionArchive), so a Mac's
archive is made for one revision; Help > About shows it.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import sys
import tarfile
from pathlib import Path, PurePosixPath

from file_lists import MODULES, ROOT, SHARED_LIST, differences, listed

EXTENSION = "LesionLens"
INDEX_ENTRY = f"{EXTENSION}.json"
SLICER_VERSIONS = ("5.10", "5.12")
DESCRIPTION_KEYS = ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")


def packaged_files(root: Path = ROOT) -> dict[str, Path]:
    """Return every file of the extension by its place below `qt-scripted-modules`."""
    files = {}
    for variable in ("LESIONLENS_PYTHON_SCRIPTS", "LESIONLENS_RESOURCES"):
        files.update({name: root / name for name in listed(root / SHARED_LIST, variable)})
    for module in MODULES:
        for variable in ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"):
            names = listed(root / module / "CMakeLists.txt", variable)
            files.update({name: root / module / name for name in names})
    return dict(sorted(files.items()))


def description(root: Path = ROOT) -> str:
    """Return the text of the `.s4ext` file from the metadata in the top `CMakeLists.txt`."""
    text = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'set\(EXTENSION_(\w+) "([^"]*)"\)', text))
    missing = [key for key in DESCRIPTION_KEYS if key not in values]
    if missing:
        raise ValueError(f"CMakeLists.txt sets no EXTENSION_{missing[0]}")
    lines = [f"{key.lower()} {values[key]}" for key in DESCRIPTION_KEYS]
    entry = json.loads((root / INDEX_ENTRY).read_text(encoding="utf-8"))
    # The manager shows `scmrevision` as the version of what is installed.
    source = ["scm git", f"scmurl {entry['scm_url']}", f"scmrevision {library_version(root)}"]
    return "\n".join([*source, "build_subdirectory .", "enabled 1", f"tier {entry['tier']}", *lines, ""])


def build(folder: Path, slicer_version: str, root: Path = ROOT, mac_revision: str = "") -> Path:
    """Write the archive for one version of Slicer into `folder` and return its path.

    With `mac_revision` it is for the application of that revision on a Mac.
    """
    name = f"{EXTENSION}-{library_version(root)}-Slicer-{slicer_version}"
    top = PurePosixPath(name)
    if mac_revision:
        name = f"{name}-macosx-r{mac_revision}"
        top = PurePosixPath(name, "Slicer.app", "Contents", f"Extensions-{mac_revision}", EXTENSION)
    folder.mkdir(parents=True, exist_ok=True)
    scripted = top / "lib" / f"Slicer-{slicer_version}" / "qt-scripted-modules"
    content = {str(scripted / place): path.read_bytes() for place, path in packaged_files(root).items()}
    share = top / "share" / f"Slicer-{slicer_version}"
    content[str(share / f"{EXTENSION}.s4ext")] = description(root).encode()
    content[str(share / "LICENSE")] = (root / "LICENSE").read_bytes()
    archive = folder / f"{name}.tar.gz"
    with (
        gzip.GzipFile(archive, "wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for place, data in sorted(content.items()):
            entry = tarfile.TarInfo(place)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return archive


def library_version(root: Path = ROOT) -> str:
    """Return the version that `LesionLensLib` states."""
    found = re.search(r'__version__ = "([^"]+)"', (root / "LesionLensLib" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("LesionLensLib/__init__.py states no version")
    return found.group(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the archives go (default: dist)")
    parser.add_argument(
        "--mac-revision", default="", metavar="N", help="make the archive for a Mac's application of this revision"
    )
    parser.add_argument(
        "--slicer-version", choices=SLICER_VERSIONS, help="for this version alone (with --mac-revision: the newest)"
    )
    options = parser.parse_args()
    wrong = differences()
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    versions = [options.slicer_version] if options.slicer_version else SLICER_VERSIONS
    for version in versions[-1:] if options.mac_revision else versions:
        archive = build(options.output, version, mac_revision=options.mac_revision)
        print(f"{archive}  {archive.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
