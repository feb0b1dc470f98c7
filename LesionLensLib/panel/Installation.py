"""Whether what the networks need is installed, and its installation after a click and a question.

Nothing here imports torch: the application process never needs it, the child process does. An installation counts as
finished when a child has computed with it; until then a mark in the application's settings remembers it, so that one
that was interrupted goes on at the next click, also after a restart.
"""

import importlib
import importlib.metadata
import importlib.util
import logging
import re
import sys
import sysconfig
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from LesionLensLib.errors import EnvironmentFault, LesionLensError
from LesionLensLib.process import ask_child
from LesionLensLib.scene.slicer_versions import call_with_known, install_requirements

REQUESTER = "LesionLens"
UNFINISHED = "LesionLens/InstallationUnfinished"
LOWEST = {"torch": (2, 6), "safetensors": (0, 5)}
# Beside the library, in the source tree and where the extension is installed: one list serves all panels.
REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
LONGEST_PATH_OF_TORCH = 175  # the licence of a library inside a library inside torch 2.13, below site-packages
LONGEST_PATH_OF_WINDOWS = 259


def missingPackages() -> list[str]:
    """Return the names of the packages that the child process needs and that are not there, whole and new enough."""
    importlib.invalidate_caches()
    return [name for name in LOWEST if not _isUsable(name)]


def isUnfinished() -> bool:
    """Whether an installation was begun and no child has computed with it since."""
    return bool(qt.QSettings().value(UNFINISHED, ""))


def askAndInstall(device: str = "auto") -> bool:
    """Ask, install what is missing and prove it on `device`; returns False where the user says no.

    Raises `EnvironmentFault` where it cannot be installed or cannot compute.
    """
    missing = missingPackages()
    damage = ""
    if not missing:
        damage = _damage() if isUnfinished() else ""
        if not damage:
            return True
    if not slicer.util.confirmOkCancelDisplay(_question(missing, damage), REQUESTER):
        return False
    qt.QSettings().setValue(UNFINISHED, "yes")
    if "torch" in missing or damage:
        _installTorch(isDamaged=bool(damage))
    if "safetensors" in missing:
        _installRequirements()
    left = missingPackages()
    if left:
        raise EnvironmentFault(
            _("{packages} could not be installed.").format(packages=", ".join(left)),
            _("Look at the application's error log; restart the application and try again."),
        )
    prove("cpu")
    qt.QSettings().remove(UNFINISHED)
    if device not in ("auto", "cpu"):
        prove(device)
    return True


def prove(device: str) -> None:
    """Let a child import the packages and convolve on `device`; the window stays usable, which takes seconds.

    Raises what the child says is wrong.
    """
    proof = ask_child(["check", "--device", device], slicer.app.processEvents)
    logging.info("LesionLens: torch %s computes on %s", proof["torch"], proof["device"])


def tooLongPath(packages: str, takesLongPaths: bool) -> bool:
    """Whether files of PyTorch would get paths that Windows cannot open, below the folder `packages`."""
    return not takesLongPaths and len(packages) + 1 + LONGEST_PATH_OF_TORCH > LONGEST_PATH_OF_WINDOWS


def _isUsable(name: str) -> bool:
    """A folder that an interrupted installation has left is found too, but it has no file of its own or no version."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return False
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= LOWEST[name]


def _damage() -> str:
    """Return what is wrong with an installation that seems complete; forget that it was unfinished if nothing is."""
    try:
        prove("cpu")
    except LesionLensError as error:
        return error.message
    qt.QSettings().remove(UNFINISHED)
    return ""


def _question(missing: list[str], damage: str) -> str:
    if damage:
        told = _("An installation was interrupted: {damage} Install PyTorch again now?")
        return str(told.format(damage=damage))
    told = _(
        "LesionLens needs {packages} to run its networks. PyTorch is large: the download can take several minutes. "
        "This changes the Python of this application. Install now?"
    )
    return str(told.format(packages=", ".join(missing)))


def _installTorch(isDamaged: bool) -> None:
    """Let the PyTorch extension choose the build that fits the graphics card; its arguments have changed over time."""
    _refuseLongPaths()
    try:
        import PyTorchUtils
    except ImportError as error:
        raise EnvironmentFault(
            _("The PyTorch extension is not installed."),
            _("Install the extension PyTorch in the Extensions Manager, restart the application and try again."),
            str(error),
        ) from error
    wanted = {"askConfirmation": False, "torchVersionRequirement": f">={'.'.join(map(str, LOWEST['torch']))}"}
    try:
        logic = PyTorchUtils.PyTorchUtilsLogic()
        if isDamaged and hasattr(logic, "uninstallTorch"):
            logic.uninstallTorch()  # pip would find the damaged one good enough
        call_with_known(logic.installTorch, wanted)
    except Exception as error:  # pip, the network and the extension each raise their own types
        logging.exception("PyTorchUtils could not install torch")
        raise EnvironmentFault(
            _("PyTorch could not be installed."),
            _("Open the module PyTorch Utils, install PyTorch there and restart the application."),
            repr(error),
        ) from error


def _refuseLongPaths() -> None:
    packages = sysconfig.get_path("purelib")
    if sys.platform == "win32" and tooLongPath(packages, _windowsTakesLongPaths()):
        raise EnvironmentFault(
            _("The application lies in a folder whose path is too long for the files of PyTorch."),
            _("Install the application into a folder with a short path, for example C:\\Slicer, and try again."),
            packages,
        )


def _windowsTakesLongPaths() -> bool:
    """Whether this computer was set to open paths of more than 260 characters."""
    winreg = importlib.import_module("winreg")  # there is none on other systems
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False


def _installRequirements() -> None:
    try:
        install_requirements(REQUIREMENTS, REQUESTER)
    except Exception as error:  # pip raises CalledProcessError, the network whatever it likes
        logging.exception("installation of the requirements failed")
        raise EnvironmentFault(
            _("A Python package could not be installed."),
            _("Check the network connection and try again."),
            repr(error),
        ) from error
