"""Whether what the networks need is installed, and its installation after a click and a question.

Nothing here imports torch: the application process never needs it, the child process does.
"""

import importlib
import importlib.util
import inspect
import logging
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from LesionLensLib.errors import EnvironmentFault

REQUESTER = "LesionLens"
TORCH_VERSION = ">=2.6"
PACKAGES = ("torch", "safetensors")
# Beside the library, in the source tree and where the extension is installed: one list serves all panels.
REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"


def missingPackages() -> list[str]:
    """Return the names of the packages that the child process needs and that are not installed."""
    importlib.invalidate_caches()
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def askAndInstall() -> bool:
    """Ask, then install what is missing; returns False where the user says no.

    Raises `EnvironmentFault` where it cannot be installed.
    """
    missing = missingPackages()
    if not missing:
        return True
    question = _(
        "LesionLens needs {packages} to run its networks. PyTorch is large: the download can take several minutes. "
        "This changes the Python of this application. Install now?"
    ).format(packages=", ".join(missing))
    if not slicer.util.confirmOkCancelDisplay(question, REQUESTER):
        return False
    if "torch" in missing:
        _installTorch()
    if "safetensors" in missing:
        _installRequirements(str(REQUIREMENTS))
    left = missingPackages()
    if left:
        raise EnvironmentFault(
            _("{packages} could not be installed.").format(packages=", ".join(left)),
            _("Look at the application's error log; restart the application and try again."),
        )
    return True


def _installTorch() -> None:
    """Let the PyTorch extension choose the build that fits the graphics card; its arguments have changed over time."""
    try:
        import PyTorchUtils
    except ImportError as error:
        raise EnvironmentFault(
            _("The PyTorch extension is not installed."),
            _("Install the extension PyTorch in the Extensions Manager, restart the application and try again."),
            str(error),
        ) from error
    install = PyTorchUtils.PyTorchUtilsLogic().installTorch
    wanted = {"askConfirmation": False, "torchVersionRequirement": TORCH_VERSION}
    known = inspect.signature(install).parameters
    try:
        install(**{name: value for name, value in wanted.items() if name in known})
    except Exception as error:  # pip, the network and the extension each raise their own types
        logging.exception("PyTorchUtils.installTorch failed")
        raise EnvironmentFault(
            _("PyTorch could not be installed."),
            _("Open the module PyTorch Utils, install PyTorch there and restart the application."),
            repr(error),
        ) from error


def _installRequirements(requirementsFile: str) -> None:
    """Use `slicer.packaging` (5.12 and later); older applications only have `slicer.util.pip_install`."""
    try:
        if importlib.util.find_spec("slicer.packaging") is not None:
            packaging = importlib.import_module("slicer.packaging")
            requirements = packaging.load_requirements(requirementsFile)
            packaging.pip_ensure(requirements, requester=REQUESTER, prompt_install=False)
            return
        lines = Path(requirementsFile).read_text(encoding="utf-8").splitlines()
        slicer.util.pip_install([line.strip() for line in lines if line.strip() and not line.startswith("#")])
    except Exception as error:  # pip raises CalledProcessError, the network whatever it likes
        logging.exception("installation of the requirements failed")
        raise EnvironmentFault(
            _("A Python package could not be installed."),
            _("Check the network connection and try again."),
            repr(error),
        ) from error
