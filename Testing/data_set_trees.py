"""Small data sets laid out exactly as the public ones: a few voxels an image, on an oblique left-handed grid."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from LesionLensLib.cohort.importers.found import ImportOptions
from LesionLensLib.cohort.importers.layouts import find_cases
from LesionLensLib.cohort.importers.write import write_manifest
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.manifest import ManifestRow, read_manifest

AXES = Rotation.from_euler("xyz", (10.0, -8.0, 15.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
GRID = Grid((7, 6, 5), (0.86, 0.9, 1.5), (-60.0, 35.0, 70.0), tuple(AXES.ravel()))


def labels_array(*labels: int) -> np.ndarray:
    """Return an array (k, j, i) of `GRID` with two voxels of each label in turn, 0 elsewhere."""
    array = np.zeros(GRID.shape, np.uint8)
    for number, label in enumerate(labels):
        array[1 + number % 3, 2, 2 * (number // 3) : 2 * (number // 3) + 2] = label
    return array


def image(path: Path, value: int = 100, grid: Grid = GRID) -> Path:
    """Write an image of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(Volume(np.full(grid.shape, value, np.int16), grid), path)
    return path


def mask(path: Path, *labels: int, grid: Grid = GRID) -> Path:
    """Write a label image with the given labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(Volume(labels_array(*labels), grid), path)
    return path


def slices(folder: Path, array: np.ndarray) -> None:
    """Write an array (k, j, i) as PNG files 1.png, 2.png, ... of uint8."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(array.astype(np.uint8), start=1):
        sitk.WriteImage(sitk.GetImageFromArray(plane), str(folder / f"{number}.png"))


def table(path: Path, rows: Sequence[Mapping[str, str]], delimiter: str = ",") -> Path:
    """Write a table of text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[str]]]) -> Path:
    """Write an Excel workbook as Excel does: texts shared, numbers plain, empty cells left out."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts: list[str] = []
    pages, entries, links = {}, [], []
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        lines = []
        for row_number, row in enumerate(rows, start=1):
            cells = []
            for column, value in enumerate(row):
                place = f"{chr(ord('A') + column)}{row_number}"
                if value.replace(".", "").isdigit():
                    cells.append(f'<c r="{place}"><v>{value}</v></c>')
                elif value:
                    texts.append(value)
                    cells.append(f'<c r="{place}" t="s"><v>{len(texts) - 1}</v></c>')
            lines.append(f'<row r="{row_number}">{"".join(cells)}</row>')
        pages[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
        )
        entries.append(f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>')
        target = f"worksheets/sheet{number}.xml"
        links.append(f'<Relationship Id="rId{number}" Type="{office}/worksheet" Target="{target}"/>')
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    listed = f"<sheets>{''.join(entries)}</sheets>"
    pages["xl/workbook.xml"] = f'<workbook xmlns="{main}" xmlns:r="{office}">{listed}</workbook>'
    pages["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{package}">{"".join(links)}</Relationships>'
    strings = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    pages["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{strings}</sst>'
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as book:
        for name, text in pages.items():
            book.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return path


def imported(
    root: Path, layout: str = "auto", options: ImportOptions | None = None
) -> tuple[dict[str, ManifestRow], dict[str, str], tuple[str, ...]]:
    """Write the manifest of a data set beside it, read it, and return lines by case, reasons by case, and remarks."""
    _, found = find_cases(layout, root, options or ImportOptions())
    written = write_manifest(found, root.with_name(f"{root.name}.csv"), True, lambda done, case: None)
    return {row.case: row for row in read_manifest(written.manifest)}, dict(written.skipped), found.remarks
