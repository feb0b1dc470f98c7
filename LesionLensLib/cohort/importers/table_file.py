"""Read a table of a data set, CSV or Excel workbook, as lines of text by column.

Workbooks are read here and not with a library: they are ZIP files of XML (ECMA-376, Office Open XML), the tables in
question are plain, and nothing else in this program would need it.
"""

from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import delimiter_of

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"


def read_table(path: Path, sheet: str = "") -> list[dict[str, str]]:
    """Return the lines of a table by the words of its first line; of a workbook, those of `sheet` or the first sheet.

    Raises `UserError` for a file that cannot be read or a workbook without that sheet.
    """
    try:
        cells = _workbook_rows(path, sheet) if path.suffix.lower() == ".xlsx" else _text_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error, zipfile.BadZipFile, KeyError, ElementTree.ParseError) as error:
        remedy = "Give a table as CSV in UTF-8, or an Excel workbook (.xlsx)."
        raise UserError(f"The table {path.name} cannot be read.", remedy, str(error)) from error
    lines = [[cell.strip() for cell in row] for row in cells if any(cell.strip() for cell in row)]
    if not lines:
        return []
    head = lines[0]
    return [dict(zip(head, line + [""] * (len(head) - len(line)), strict=False)) for line in lines[1:]]


def _text_rows(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8-sig")
    lines = text.splitlines()
    return list(csv.reader(lines, delimiter=delimiter_of(lines[0] if lines else "")))


def _workbook_rows(path: Path, sheet: str) -> list[list[str]]:
    with zipfile.ZipFile(path) as book:
        names = book.namelist()
        shared = []
        if "xl/sharedStrings.xml" in names:
            strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
            shared = ["".join(t.text or "" for t in item.iter(f"{_MAIN}t")) for item in strings.iter(f"{_MAIN}si")]
        root = ElementTree.fromstring(book.read(_sheet_file(book, path, sheet)))
    return [_row(row, shared) for row in root.iter(f"{_MAIN}row")]


def _sheet_file(book: zipfile.ZipFile, path: Path, sheet: str) -> str:
    workbook = ElementTree.fromstring(book.read("xl/workbook.xml"))
    sheets = {str(s.get("name")): str(s.get(_RELATION)) for s in workbook.iter(f"{_MAIN}sheet")}
    if sheet and sheet not in sheets:
        raise UserError(f"The workbook {path.name} has no sheet {sheet}.", f"It has: {', '.join(sheets)}.")
    wanted = sheets[sheet] if sheet else next(iter(sheets.values()))
    relations = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    targets = {str(r.get("Id")): str(r.get("Target")) for r in relations.iter(f"{_PACKAGE}Relationship")}
    target = targets[wanted]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _row(row: ElementTree.Element, shared: list[str]) -> list[str]:
    """Return the cells of a row in order; empty ones are not stored and are told by the letters of the others."""
    cells: dict[int, str] = {}
    for number, cell in enumerate(row.iter(f"{_MAIN}c")):
        reference = re.match(r"[A-Z]+", cell.get("r") or "")
        cells[_column(reference[0]) if reference else number] = _text(cell, shared)
    return [cells.get(number, "") for number in range(max(cells, default=-1) + 1)]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _text(cell: ElementTree.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(t.text or "" for t in cell.iter(f"{_MAIN}t"))
    value = cell.find(f"{_MAIN}v")
    text = (value.text or "") if value is not None else ""
    if cell.get("t") == "s" and text:
        return shared[int(text)]
    return text.removesuffix(".0") if re.fullmatch(r"-?\d+\.0", text) else text
