"""The modules open their panels from the installed package, with nothing of the source tree on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import package
from file_lists import MODULES, ROOT
from package_install import install_from_file

VERSION = "5.12"
# The stand-in for the application is all that the process gets of the source tree, through a folder of its own.
OPEN_INSTALLED = """
import sys
from pathlib import Path
scripted, packages, stand_in, *modules = Path(sys.argv[1]), *sys.argv[2:]
sys.path = [str(scripted), *sys.path, packages, stand_in]
from Testing.stand_in import PanelHost, install
install()
for module in modules:
    host = PanelHost(module, scripted)
    assert host.panel.ui.applyButton.text == "Apply"
    host.close()
homes = {str(Path(m.__file__).resolve()) for n, m in sys.modules.items() if n.split(".")[0].startswith(
    ("LesionLensLib", "LesionSegmentation", "MetastasisOutcome", "AttentionExplain"))}
print(len(homes), [home for home in homes if not Path(home).is_relative_to(scripted)])
"""


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of modules in the installed package; the weights, which no panel opens, are left out."""
    files = {name: path for name, path in package.packaged_files().items() if not name.endswith(".safetensors")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "packaged_files", lambda root=ROOT: files)
        archive = package.build(tmp_path_factory.mktemp("dist"), VERSION)
    folder = install_from_file(archive, tmp_path_factory.mktemp("extensions"), VERSION)
    return folder.resolve() / "lib" / f"Slicer-{VERSION}" / "qt-scripted-modules"


def test_the_modules_open_from_the_package_and_take_nothing_from_elsewhere(
    slicer: Any, scripted: Path, tmp_path: Path
) -> None:
    (tmp_path / "Testing").symlink_to(ROOT / "Testing")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LESIONLENS_MODELS")}
    # -S: no `.pth` file is read, hence not the one by which a development install finds the source tree.
    places = [str(scripted), sysconfig.get_path("purelib"), str(tmp_path)]
    command = [sys.executable, "-P", "-S", "-c", OPEN_INSTALLED, *places, *MODULES]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, foreign = done.stdout.strip().splitlines()[-1].split(" ", 1)
    assert int(count) > 50
    assert foreign == "[]"
