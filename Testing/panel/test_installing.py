"""What happens where torch or safetensors is missing: a question, then the installation, never silently."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from panel_actions import press

from LesionLensLib.errors import EnvironmentFault

REAL_FIND_SPEC = importlib.util.find_spec


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that seem to be installed, of the two that are asked for; starts empty."""
    names: set[str] = set()

    def find_spec(name: str, package: str | None = None) -> Any:
        if name in ("torch", "safetensors"):
            return object() if name in names else None
        return None if name == "slicer.packaging" else REAL_FIND_SPEC(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    return names


@pytest.fixture
def questions(slicer: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions the user was asked; the answer is yes unless the test changes it."""
    asked: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: asked.append(text) or True)
    return asked


def offer_torch(monkeypatch: pytest.MonkeyPatch, installed: set[str], calls: list[dict[str, Any]]) -> None:
    """Provide a PyTorchUtils whose installTorch takes the arguments of an older version."""

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation: bool = False, forceComputationBackend: Any = None) -> None:  # noqa: N802, N803
            calls.append({"askConfirmation": askConfirmation})
            installed.add("torch")

    module: Any = ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def test_nothing_is_asked_where_everything_is_there(panel: Any, questions: list[str]) -> None:
    assert panel.parts.install()
    assert questions == []
    assert panel.ui.torchLabel.text == "Installed"


def test_apply_asks_before_it_installs_and_no_means_no(
    filled: Any, slicer: Any, installed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: False)
    press(filled.ui.applyButton)
    assert not filled.logic.isRunning
    assert filled.ui.statusLabel.text == "Nothing was installed, so the work cannot start."
    assert filled.ui.torchLabel.text == "Missing: torch, safetensors"


def test_torch_comes_through_the_pytorch_extension_whatever_arguments_it_knows(
    panel: Any, slicer: Any, installed: set[str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    pip: list[Any] = []
    offer_torch(monkeypatch, installed, calls)
    monkeypatch.setattr(slicer.util, "pip_install", lambda names: (pip.append(names), installed.add("safetensors")))
    assert panel.parts.install()
    assert len(questions) == 1
    assert "torch, safetensors" in questions[0]
    assert calls == [{"askConfirmation": False}]
    assert pip == [["safetensors>=0.5"]]
    assert panel.ui.torchLabel.text == "Installed"


def test_a_missing_pytorch_extension_is_named_with_what_to_do(
    filled: Any, installed: set[str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    press(filled.ui.applyButton)
    assert "The PyTorch extension is not installed." in filled.ui.statusLabel.text
    assert "Extensions Manager" in filled.ui.statusLabel.text
    assert not filled.logic.isRunning


def test_an_installation_that_leaves_a_package_out_is_an_error(
    panel: Any, slicer: Any, installed: set[str], questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_torch(monkeypatch, installed, [])
    monkeypatch.setattr(slicer.util, "pip_install", lambda names: None)
    with pytest.raises(EnvironmentFault, match="safetensors could not be installed"):
        panel.parts.install()
