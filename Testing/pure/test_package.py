"""The package holds the whole extension, the Extensions Manager can install it, and what is unpacked works alone."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import package
from file_lists import MODULES, ROOT
from package_install import install_from_file, parse_description

VERSION = "5.12"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package.build(tmp_path_factory.mktemp("dist"), VERSION)


@pytest.fixture(scope="module")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the Extensions Manager makes of the archive."""
    return install_from_file(archive, tmp_path_factory.mktemp("extensions"), VERSION)


@pytest.fixture
def without_weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Let the package leave out the weights, on which packing spends all its time; returns the other files."""
    files = {name: path for name, path in package.packaged_files().items() if not name.endswith(".safetensors")}
    monkeypatch.setattr(package, "packaged_files", lambda root=ROOT: files)
    return files


def test_the_same_sources_give_the_same_bytes(without_weights: dict[str, Path], tmp_path: Path) -> None:
    first, second = (package.build(tmp_path / name, VERSION) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_the_archive_is_named_after_the_versions_of_both(archive: Path) -> None:
    from LesionLensLib import __version__

    assert archive.name == f"LesionLens-{__version__}-Slicer-5.12.tar.gz"


def test_the_extensions_manager_reads_the_name_version_dependency_and_licence(installed: Path) -> None:
    from LesionLensLib import __version__

    assert installed.name == "LesionLens"
    share = installed / "share" / f"Slicer-{VERSION}"
    values = parse_description(share / "LesionLens.s4ext")
    assert values["depends"] == "PyTorch"
    assert values["scmrevision"] == __version__
    assert values["scmurl"] == "https://github.com/LesionLens/SlicerLesionLens.git"
    assert values["category"] == "Segmentation"
    assert values["description"].startswith("Segments lesions")
    assert values["enabled"] == "1"
    assert (share / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_the_archive_for_a_mac_is_found_where_the_manager_of_that_revision_looks(
    tmp_path: Path, without_weights: dict[str, Path]
) -> None:
    """A Mac's manager copies one folder out of the archive; without it the user reads "Failed to copy directory"."""
    for_mac = package.build(tmp_path / "dist", VERSION, mac_revision="34567")
    with pytest.raises(FileNotFoundError):
        install_from_file(package.build(tmp_path / "dist", VERSION), tmp_path / "wrong", VERSION, mac_revision="34567")
    folder = install_from_file(for_mac, tmp_path / "right", VERSION, mac_revision="34567")
    scripted = folder / "lib" / f"Slicer-{VERSION}" / "qt-scripted-modules"
    found = {str(path.relative_to(scripted)) for path in scripted.rglob("*") if path.is_file()}
    assert found == set(without_weights)


def test_every_module_with_its_resources_is_in_the_package_and_is_python(installed: Path) -> None:
    scripted = installed / "lib" / f"Slicer-{VERSION}" / "qt-scripted-modules"
    for module in MODULES:
        ast.parse((scripted / f"{module}.py").read_text(encoding="utf-8"))
        assert (scripted / "Resources" / "Icons" / f"{module}.png").is_file()
        assert (scripted / "Resources" / "UI" / f"{module}.ui").is_file()


def test_the_unpacked_library_runs_and_finds_its_own_models(installed: Path, tmp_path: Path) -> None:
    scripted = installed / "lib" / f"Slicer-{VERSION}" / "qt-scripted-modules"
    environment = {name: value for name, value in os.environ.items() if name != "LESIONLENS_MODELS"}
    script = "import LesionLensLib, sys; print(LesionLensLib.__file__); from LesionLensLib.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "models", "--json"],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(scripted)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    where, listing = done.stdout.split("\n", 1)
    assert Path(where).is_relative_to(installed), done.stderr
    shipped = {path.parent.name for path in (ROOT / "Resources" / "Models").glob("*/card.json")}
    assert {entry["id"] for entry in json.loads(listing)} == shipped
    assert all(entry["matches"] for entry in json.loads(listing))


CMAKE_OPTIONS = [
    f"-DSlicer_DIR={ROOT / 'Testing' / 'slicer_build'}",
    # `project` asks for compilers, of which an extension in Python has no use.
    *(f"-DCMAKE_{language}_COMPILER=/bin/true" for language in ("C", "CXX")),
    *(f"-DCMAKE_{language}_COMPILER_FORCED=TRUE" for language in ("C", "CXX")),
]


def cmake(*arguments: str, program: str = "cmake") -> subprocess.CompletedProcess[str]:
    """Run CMake, or CTest or CPack; a missing program is a skip, and in CI a failure."""
    if shutil.which(program) is None:
        reason = f"{program} is not installed. On Debian: apt-get install cmake"
        pytest.fail(reason) if os.environ.get("LESIONLENS_REQUIRE_RENDERER") == "1" else pytest.skip(reason)
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build tree that CMake makes of the source tree."""
    build = tmp_path_factory.mktemp("cmake")
    done = cmake("-S", str(ROOT), "-B", str(build), *CMAKE_OPTIONS)
    assert done.returncode == 0, done.stderr
    return build


def test_cmake_installs_exactly_what_make_package_packs(configured: Path, installed: Path, tmp_path: Path) -> None:
    done = cmake("--install", str(configured), "--prefix", str(tmp_path))
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        for folder in (installed, tmp_path)
    )
    licence = f"share/Slicer-{VERSION}/LICENSE"  # CPack does not put it into an extension's archive
    description = f"share/Slicer-{VERSION}/LesionLens.s4ext"
    assert set(ours) - {licence} == set(theirs)
    differing = [name for name, path in theirs.items() if path.read_bytes() != ours[name].read_bytes()]
    assert differing == [description]
    packed, made = (parse_description(files[description]) for files in (ours, theirs))
    assert {name: packed[name] for name in made if not name.startswith("scm")} == {
        name: value for name, value in made.items() if not name.startswith("scm")
    }


def test_cmake_registers_the_tests_of_every_module(configured: Path) -> None:
    listing = cmake("--test-dir", str(configured), "-N", program="ctest").stdout
    names = {line.split(": ")[1].strip() for line in listing.splitlines() if "Test #" in line}
    assert names >= {f"py_{module}" for module in MODULES}
    assert names >= {f"py_nomainwindow_qSlicer{module}ModuleGenericTest" for module in MODULES}


@pytest.mark.parametrize("gone", ["LesionLensLib/errors.py", "MetastasisOutcome/Resources/UI/MetastasisOutcome.ui"])
def test_cmake_stops_at_a_listed_file_that_is_missing(tmp_path: Path, gone: str) -> None:
    tops = ("CMakeLists.txt", "LesionLensFiles.cmake", "LICENSE", "README.md", "LesionLensLib", "Resources", *MODULES)
    for name in tops:
        whole = ROOT / name
        if whole.is_dir():
            shutil.copytree(whole, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
        else:
            shutil.copy(whole, tmp_path / name)
    for weights in (ROOT / "Resources").rglob("*.safetensors"):  # the list names them; their bytes do not matter here
        (tmp_path / weights.relative_to(ROOT)).touch()
    (tmp_path / gone).unlink()
    done = cmake("-S", str(tmp_path), "-B", str(tmp_path / "build"), *CMAKE_OPTIONS)
    assert done.returncode != 0
    assert "given nonexistent file" in " ".join(done.stderr.split())
    assert Path(gone).name in done.stderr


def test_the_archive_holds_no_folder_above_its_own_top(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        tops = {name.split("/")[0] for name in tar.getnames()}
    assert tops == {archive.name.removesuffix(".tar.gz")}
