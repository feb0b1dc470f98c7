"""The stand-in refuses what the real application refuses: a test on it must not pass by accident."""

import enum
from pathlib import Path
from typing import Annotated, Any

import pytest


def test_an_unknown_attribute_cannot_be_set(slicer: Any) -> None:
    import ctk
    import qt

    for widget in (qt.QLabel(), slicer.qMRMLNodeComboBox(), ctk.ctkSliderWidget()):
        with pytest.raises(AttributeError, match="does not exist"):
            widget.txt = "typing error"


def test_properties_are_attributes(slicer: Any) -> None:
    import qt

    button = qt.QPushButton("a")
    button.text, button.enabled, button.toolTip = "b", False, "why"
    assert (button.text, button.enabled, button.toolTip) == ("b", False, "why")
    assert qt.QPushButton.isEnabled(button) is False


@pytest.mark.parametrize("signature", ["clicked(int)", "clickd(bool)", "currentNodeChanged(vtkMRMLNode*)"])
def test_a_signal_that_does_not_exist_cannot_be_connected(slicer: Any, signature: str) -> None:
    import qt

    with pytest.raises(ValueError, match="has no signal"):
        qt.QPushButton().connect(signature, print)


def test_a_slot_gets_as_many_arguments_as_it_takes(slicer: Any) -> None:
    import qt

    box, got = qt.QCheckBox(), []
    box.connect("toggled(bool)", lambda: got.append("none"))
    box.connect("toggled(bool)", lambda on: got.append(on))
    box.checked = True
    assert sorted(map(str, got)) == ["True", "none"]


def test_a_node_selector_chooses_by_itself_only_where_none_is_no_choice(slicer: Any) -> None:
    slicer.mrmlScene.Clear(0)
    for none_enabled in (False, True):
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = ["vtkMRMLTextNode"]
        selector.noneEnabled = none_enabled
        assert not selector.enabled
        selector.setMRMLScene(slicer.mrmlScene)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
        assert (selector.currentNode() is node) is not none_enabled
        slicer.mrmlScene.RemoveNode(node)
        assert selector.currentNode() is None


def test_a_node_selector_selects_the_item_above_a_removed_node_by_itself(slicer: Any) -> None:
    """As QComboBox does below the real one; a panel that stores what it shows would store a wrong node."""
    slicer.mrmlScene.Clear(0)
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLTextNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    above, chosen = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name) for name in ("above", "chosen"))
    selector.setCurrentNode(chosen)
    slicer.mrmlScene.RemoveNode(chosen)
    assert selector.currentNode() is above
    slicer.mrmlScene.StartState(slicer.vtkMRMLScene.ImportState)
    slicer.mrmlScene.EndState(slicer.vtkMRMLScene.ImportState)
    assert selector.currentNode() is None


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@pytest.fixture
def parameters(slicer: Any) -> Any:
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        share: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
        color: Color = Color.BLUE
        on: bool = False
        note: slicer.vtkMRMLTextNode

    return Parameters(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def test_parameters_are_stored_as_slicer_stores_them(parameters: Any) -> None:
    parameters.share, parameters.on = 0.25, True
    node = parameters.parameterNode
    assert [node.GetParameter(name) for name in ("share", "color", "on")] == ["0.25", "BLUE", "True"]
    assert parameters.note is None


@pytest.mark.parametrize(
    ("name", "value"), [("share", 1.5), ("share", "0.5"), ("color", "RED"), ("on", 1), ("note", "x")]
)
def test_a_wrong_value_is_refused(parameters: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError):
        setattr(parameters, name, value)


def test_a_widget_follows_its_parameter_and_the_other_way_round(slicer: Any, parameters: Any) -> None:
    import ctk
    import qt

    slider, box = ctk.ctkSliderWidget(), qt.QComboBox()
    tag = parameters.connectParametersToGui({"share": slider, "color": box})
    assert (slider.value, slider.maximum, box.currentText) == (0.5, 1.0, "BLUE")
    slider.value = 0.75
    parameters.color = Color.RED
    assert (parameters.share, box.currentText) == (0.75, "RED")
    parameters.disconnectGui(tag)
    slider.value = 0.1
    assert parameters.share == 0.75


def test_connect_gui_returns_no_tag_to_undo_it(slicer: Any, parameters: Any) -> None:
    from types import SimpleNamespace

    import ctk

    slider = ctk.ctkSliderWidget()
    slider.setProperty("SlicerParameterName", "share")
    assert parameters.connectGui(SimpleNamespace(slider=slider)) is None
    parameters.disconnectGui(None)
    slider.value = 0.1
    assert parameters.share == 0.1, "it is still bound"


def test_a_reserved_name_is_refused(slicer: Any) -> None:
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    with pytest.raises(ValueError, match="reserved"):

        @parameterNodeWrapper
        class Parameters:
            getValue: str = ""  # noqa: N815


def test_a_widget_that_cannot_show_a_parameter_is_refused(slicer: Any, parameters: Any) -> None:
    from types import SimpleNamespace

    import qt

    label = qt.QLabel()
    label.setProperty("SlicerParameterName", "share")
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectGui(SimpleNamespace(label=label))
    label.setProperty("SlicerParameterName", "nothing")
    with pytest.raises(ValueError, match="Cannot find a param"):
        parameters.connectGui(SimpleNamespace(label=label))


def test_an_unknown_widget_class_in_a_ui_file_is_refused(slicer: Any, tmp_path: Path) -> None:
    path = tmp_path / "panel.ui"
    path.write_text('<ui version="4.0"><class>A</class><widget class="ctkNothing" name="A"/></ui>')
    with pytest.raises(RuntimeError, match="ctkNothing"):
        slicer.util.loadUI(str(path))
