"""Shows the lesions of a result in the panel and moves the slice views to the one that is clicked."""

from typing import Any

import slicer

from LesionLensLib.panel.Tables import columnValues, fillTable

SHOWN = (("lesion", "{:.0f}"), ("volume_ml", "{:.3f}"), ("mean_probability", "{:.2f}"))


def showLesions(widget: Any, table: Any) -> None:
    """Fill the QTableWidget with the lesions of a table node, largest first; None empties it."""
    widget.setRowCount(0)
    if table is None:
        return
    columns = [[form.format(value) for value in columnValues(table, name)] for name, form in SHOWN]
    fillTable(widget, list(zip(*columns, strict=True)))


def jumpToLesion(table: Any, row: int) -> None:
    """Centre all slice views on a lesion (RAS, mm)."""
    position = [columnValues(table, f"centroid_{axis}")[row] for axis in "ras"]
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *position, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
