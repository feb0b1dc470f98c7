"""What happens where torch or safetensors is missing: a question, the installation, a proof; never silently."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from panel_actions import press

from LesionLensLib.errors import EnvironmentFault

REAL_FIND_SPEC = importlib.util.find_spec
REAL_VERSION = importlib.metadata.version


@pytest.fixture(autouse=True)
def nothing_unfinished(slicer: Any) -> Iterator[None]:
    """No test begins or ends with the mark of an interrupted installation."""
    import qt

    from LesionLensLib.panel.Installation import UNFINISHED

    qt.QSettings().remove(UNFINISHED)
    yield
    qt.QSettings().remove(UNFINISHED)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The versions of the packages that seem to be installed, of the two that are asked for; starts empty."""
    versions: dict[str, str] = {}

    def find_spec(name: str, package: str | None = None) -> Any:
        if name in ("torch", "safetensors"):
            return SimpleNamespace(origin=f"{name}/__init__.py") if name in versions else None
        return None if name == "slicer.packaging" else REAL_FIND_SPEC(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: versions.get(name) or REAL_VERSION(name))
    return versions


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices on which a child was asked to compute; it can, unless the test changes it."""
    from LesionLensLib.panel import Installation

    asked: list[str] = []
    monkeypatch.setattr(Installation, "prove", asked.append)
    return asked


@pytest.fixture
def questions(slicer: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions the user was asked; the answer is yes unless the test changes it."""
    asked: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: asked.append(text) or True)
    return asked


def offer_torch(monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], calls: list[Any]) -> None:
    """Provide a PyTorchUtils whose installTorch takes the arguments of an older version."""

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation: bool = False, forceComputationBackend: Any = None) -> None:  # noqa: N802, N803
            calls.append({"askConfirmation": askConfirmation})
            installed["torch"] = "2.13.0+cpu"

        def uninstallTorch(self) -> None:  # noqa: N802
            calls.append("uninstalled")

    module: Any = ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def offer_pip(slicer: Any, monkeypatch: pytest.MonkeyPatch, installed: dict[str, str]) -> list[list[str]]:
    """Let the application's pip of 5.10 install safetensors; returns what it is asked for."""
    asked: list[list[str]] = []
    monkeypatch.setattr(
        slicer.util, "pip_install", lambda names: (asked.append(names), installed.update(safetensors="0.8.0"))
    )
    return asked


def test_nothing_is_asked_where_everything_is_there(panel: Any, questions: list[str], proofs: list[str]) -> None:
    assert panel.parts.install()
    assert questions == []
    assert proofs == []
    assert panel.ui.torchLabel.text == "Installed"


def test_opening_a_panel_installs_nothing_and_asks_nothing(
    slicer: Any, models: Any, installed: dict[str, str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from Testing.stand_in import PanelHost

    calls: list[Any] = []
    offer_torch(monkeypatch, installed, calls)
    pip = offer_pip(slicer, monkeypatch, installed)
    host = PanelHost("LesionSegmentation")
    assert (questions, calls, pip) == ([], [], [])
    assert host.panel.ui.torchLabel.text == "Missing: torch, safetensors"
    host.close()


def test_apply_asks_before_it_installs_and_no_means_no(
    filled: Any, slicer: Any, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: False)
    press(filled.ui.applyButton)
    assert not filled.logic.isRunning
    assert filled.ui.statusLabel.text == "Nothing was installed, so the work cannot start."
    assert filled.ui.torchLabel.text == "Missing: torch, safetensors"


def test_torch_comes_through_the_pytorch_extension_whatever_arguments_it_knows_and_is_proved(
    panel: Any, slicer: Any, installed: dict[str, str], questions: list[str], proofs: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    calls: list[Any] = []
    offer_torch(monkeypatch, installed, calls)
    pip = offer_pip(slicer, monkeypatch, installed)
    assert panel.parts.install("cuda:1")
    assert len(questions) == 1
    assert "torch, safetensors" in questions[0]
    assert calls == [{"askConfirmation": False}]
    assert pip == [["safetensors>=0.5"]]
    assert proofs == ["cpu", "cuda:1"], "that it computes at all, then on the device that was chosen"
    assert panel.ui.torchLabel.text == "Installed"


def test_slicer_packaging_installs_where_the_application_has_it(
    panel: Any, slicer: Any, installed: dict[str, str], questions: list[str], proofs: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    installed["torch"] = "2.13.0"
    asked: list[Any] = []
    packaging: Any = ModuleType("slicer.packaging")
    packaging.load_requirements = lambda path: [path.replace("\\", "/").split("/")[-1]]

    def pip_ensure(requirements: Any, prompt_install: bool = True, requester: str | None = None) -> None:
        asked.append((requirements, prompt_install, requester))
        installed["safetensors"] = "0.8.0"

    packaging.pip_ensure = pip_ensure
    found = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: packaging if "pack" in name else found(name))
    monkeypatch.setattr(slicer.util, "pip_install", lambda names: pytest.fail("the fall-back is for 5.10"))
    assert panel.parts.install()
    assert asked == [(["requirements.txt"], False, "LesionLens")]


def test_a_torch_that_is_too_old_counts_as_missing(panel: Any, installed: dict[str, str]) -> None:
    from LesionLensLib.panel.Installation import missingPackages

    installed.update(torch="2.5.1+cu124", safetensors="0.5.0")
    assert missingPackages() == ["torch"]
    installed["torch"] = "2.10.0"
    assert missingPackages() == []


def test_a_folder_without_content_is_no_installation(
    slicer: Any, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.panel.Installation import missingPackages

    installed.update(torch="2.13.0", safetensors="0.8.0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: SimpleNamespace(origin=None))
    assert missingPackages() == ["torch", "safetensors"]


def test_an_interrupted_installation_goes_on_at_the_next_click(
    panel: Any, slicer: Any, installed: dict[str, str], questions: list[str], proofs: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """torch is in place, then the network breaks off: the second click installs the rest alone."""
    calls: list[Any] = []
    offer_torch(monkeypatch, installed, calls)

    def broken(names: list[str]) -> None:
        raise ConnectionError("the network is gone")

    monkeypatch.setattr(slicer.util, "pip_install", broken)
    with pytest.raises(EnvironmentFault, match="could not be installed"):
        panel.parts.install()
    assert panel.ui.torchLabel.text == "Missing: safetensors"
    pip = offer_pip(slicer, monkeypatch, installed)
    assert panel.parts.install()
    assert len(calls) == 1
    assert pip == [["safetensors>=0.5"]]
    assert proofs == ["cpu"]


def test_an_installation_that_a_restart_interrupted_is_proved_first_and_repaired_if_need_be(
    panel: Any, slicer: Any, installed: dict[str, str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    from LesionLensLib.panel import Installation

    installed.update(torch="2.13.0", safetensors="0.8.0")
    qt.QSettings().setValue(Installation.UNFINISHED, "yes")
    panel.parts.showInstallation()
    assert panel.ui.torchLabel.text == "Not proved yet: press Install to go on"
    calls: list[Any] = []
    offer_torch(monkeypatch, installed, calls)

    def prove(device: str) -> None:
        if not calls:
            raise EnvironmentFault("PyTorch is installed but does not work.", "Install it again.")

    monkeypatch.setattr(Installation, "prove", prove)
    assert panel.parts.install()
    assert "does not work" in questions[0]
    assert calls == ["uninstalled", {"askConfirmation": False}]
    assert panel.ui.torchLabel.text == "Installed"


def test_an_unproved_installation_that_works_is_not_touched(
    panel: Any, installed: dict[str, str], questions: list[str], proofs: list[str]
) -> None:
    import qt

    from LesionLensLib.panel import Installation

    installed.update(torch="2.13.0", safetensors="0.8.0")
    qt.QSettings().setValue(Installation.UNFINISHED, "yes")
    assert panel.parts.install()
    assert (questions, proofs) == ([], ["cpu"])
    assert not Installation.isUnfinished()


def test_a_proof_that_fails_is_shown_and_the_installation_stays_unfinished(
    filled: Any, slicer: Any, installed: dict[str, str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.panel import Installation

    offer_torch(monkeypatch, installed, [])
    offer_pip(slicer, monkeypatch, installed)

    def prove(device: str) -> None:
        raise EnvironmentFault("PyTorch is installed but does not work.", "Install it again.")

    monkeypatch.setattr(Installation, "prove", prove)
    press(filled.ui.applyButton)
    assert "PyTorch is installed but does not work. Install it again." in filled.ui.statusLabel.text
    assert not filled.logic.isRunning
    assert Installation.isUnfinished()
    assert filled.ui.installButton.visible


def test_a_missing_pytorch_extension_is_named_with_what_to_do(
    filled: Any, installed: dict[str, str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    press(filled.ui.applyButton)
    assert "The PyTorch extension is not installed." in filled.ui.statusLabel.text
    assert "Extensions Manager" in filled.ui.statusLabel.text
    assert not filled.logic.isRunning


def test_an_installation_that_leaves_a_package_out_is_an_error(
    panel: Any, slicer: Any, installed: dict[str, str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_torch(monkeypatch, installed, [])
    monkeypatch.setattr(slicer.util, "pip_install", lambda names: None)
    with pytest.raises(EnvironmentFault, match="safetensors could not be installed"):
        panel.parts.install()


def test_only_a_path_that_windows_cannot_open_is_refused(slicer: Any) -> None:
    from LesionLensLib.panel.Installation import tooLongPath

    default = r"C:\Users\doctor.of.radiology\AppData\Local\slicer.org\3D Slicer 5.12.3\lib\Python\Lib\site-packages"
    assert tooLongPath(default, takesLongPaths=False)
    assert not tooLongPath(default, takesLongPaths=True)
    assert not tooLongPath(r"C:\Slicer\lib\Python\Lib\site-packages", takesLongPaths=False)


def test_the_window_stays_usable_while_a_child_computes_the_proof(slicer: Any) -> None:
    import qt

    from LesionLensLib.panel.Installation import prove

    ticks: list[int] = []
    timer = qt.QTimer()
    timer.setInterval(20)
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start()
    prove("cpu")  # really imports torch and convolves, in a process of its own
    timer.stop()
    assert len(ticks) > 5
