"""The rows of a manifest that an outcome study can use."""

from __future__ import annotations

from collections.abc import Sequence

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow


def labelled_rows(rows: Sequence[ManifestRow], columns: Sequence[str]) -> list[ManifestRow]:
    """Return the rows with an outcome and a file for every one of `columns`.

    Raises `UserError` for a label other than 0 or 1, and where no row is left.
    """
    chosen = [row for row in rows if row.label and row.has(*columns)]
    for row in chosen:
        if row.label not in ("0", "1"):
            raise UserError(
                f"The label of case {row.case} is {row.label!r}, not an outcome.",
                "Write 1 where the event happened, 0 where it did not, nothing where it is unknown.",
            )
    if not chosen:
        wanted = ", ".join(dict.fromkeys((*columns, "label")))
        raise UserError("The manifest has no case with a known outcome.", f"Add rows with {wanted}.")
    return chosen
