"""Shows the lesions of a result in the panel and moves the slice views to the one that is clicked."""

from typing import Any

import qt
import slicer

SHOWN = (("lesion", "{:.0f}"), ("volume_ml", "{:.3f}"), ("mean_probability", "{:.2f}"))


def showLesions(widget: Any, table: Any) -> None:
    """Fill the QTableWidget with the lesions of a table node, largest first; None empties it."""
    widget.setRowCount(0)
    if table is None:
        return
    widget.setRowCount(table.GetNumberOfRows())
    for column, (name, form) in enumerate(SHOWN):
        for row, value in enumerate(columnValues(table, name)):
            item = qt.QTableWidgetItem(form.format(value))
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            widget.setItem(row, column, item)


def columnValues(table: Any, name: str) -> list:
    """Return the numbers of a column of a table node."""
    array = table.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(table.GetNumberOfRows())]


def jumpToLesion(table: Any, row: int) -> None:
    """Centre all slice views on a lesion (RAS, mm)."""
    position = [columnValues(table, f"centroid_{axis}")[row] for axis in "ras"]
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *position, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
