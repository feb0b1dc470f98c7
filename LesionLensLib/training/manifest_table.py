"""Write a manifest whose paths are relative to its own folder, so that both can be moved together."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_records(path: Path, columns: Sequence[str], records: Iterable[Mapping[str, str]]) -> None:
    """Write one line a record; values with a path separator are absolute paths, columns left out are empty."""
    home = path.resolve().parent
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for record in records:
            writer.writerow({k: os.path.relpath(v, home) if os.sep in v else v for k, v in record.items()})
