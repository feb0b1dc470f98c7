"""Table nodes, and rows of text in a table of a panel."""

from collections.abc import Sequence
from typing import Any

import qt


def fillTable(table: Any, rows: Sequence[Sequence[str]], texts: int = 0) -> None:
    """Show `rows` in a QTableWidget; the first `texts` columns are words and stand left, numbers stand right."""
    table.setRowCount(len(rows))
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            item = qt.QTableWidgetItem(text)
            side = qt.Qt.AlignLeft if column < texts else qt.Qt.AlignRight
            item.setTextAlignment(side | qt.Qt.AlignVCenter)
            table.setItem(row, column, item)


def columnValues(table: Any, name: str) -> list[Any]:
    """Return the values of a column of a table node."""
    array = table.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(table.GetNumberOfRows())]
