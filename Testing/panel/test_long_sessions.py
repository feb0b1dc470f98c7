"""A panel that was left, entered and emptied many times is as quick as at first."""

from __future__ import annotations

from typing import Any

import pytest

RETURNS = 12


@pytest.fixture
def observers(panel: Any) -> Any:
    """Counts who is called at a change of the parameter node."""
    node = panel._parameterNode.parameterNode

    def count() -> int:
        found, tag = 0, node.AddObserver("ModifiedEvent", lambda caller, event: None)
        for earlier in range(1, tag):
            found += bool(node.GetCommand(earlier)) and node.HasObserver("ModifiedEvent", node.GetCommand(earlier))
        node.RemoveObserver(tag)
        return found

    return count


def test_returning_to_a_panel_adds_no_observer_to_its_parameter_node(panel: Any, observers: Any) -> None:
    before = observers()
    assert before >= 2, "the widgets and the panel follow the node"
    for _ in range(RETURNS):
        panel.exit()
        panel.enter()
    assert observers() == before
    panel.exit()
    assert observers() == before - 2
    panel.enter()


def test_closing_scenes_adds_no_observer_either(panel: Any, slicer: Any, observers: Any) -> None:
    before = observers()
    for _ in range(RETURNS):
        slicer.mrmlScene.Clear(0)
    assert observers() == before


def test_a_change_writes_every_widget_once_after_many_returns(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(RETURNS):
        panel.exit()
        panel.enter()
    written: list[float] = []
    panel.ui.minVolumeSpinBox.connect("valueChanged(double)", written.append)
    panel._parameterNode.minVolumeMl = 0.125
    assert written == [0.125]
    assert panel.ui.minVolumeSpinBox.value == 0.125
    panel.ui.minVolumeSpinBox.value = 0.25
    assert panel._parameterNode.minVolumeMl == 0.25
