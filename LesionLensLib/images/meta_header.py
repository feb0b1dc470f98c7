"""Whether a MetaImage (`.mha`, `.mhd`) is whole, asked before ITK, which prints its complaint to standard error."""

from __future__ import annotations

import math
from pathlib import Path

from LesionLensLib.errors import UserError

_TYPE_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 4,
    "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_LONGEST_HEADER = 1 << 16
_EXPORT_AGAIN = "Export the image again from where it came, or copy the file again."


def check_meta_data(path: Path) -> None:
    """Raise `UserError` where the file is no MetaImage or holds less data than its header promises."""
    fields, header_bytes = _read_fields(path)
    data_file = fields.get("ElementDataFile", "")
    if "DimSize" not in fields or fields.get("ElementType") not in _TYPE_BYTES or not data_file:
        raise UserError(f"{path.name} is not a MetaImage of a known pixel type, whatever its name says.", _EXPORT_AGAIN)
    try:
        expected = _expected_bytes(fields)
    except ValueError as error:
        raise UserError(f"{path.name} states an impossible image size.", _EXPORT_AGAIN, str(error)) from error
    if expected is None or data_file.startswith("LIST") or "%" in data_file:
        return
    if data_file == "LOCAL":
        available = path.stat().st_size - header_bytes
    else:
        beside = path.parent / data_file
        if not beside.is_file():
            raise UserError(f"{path.name} needs the file {beside.name} beside it.", "Copy both files.")
        available = beside.stat().st_size
    if available < expected:
        raise UserError(f"{path.name} is incomplete: {available} of {expected} bytes are there.", _EXPORT_AGAIN)


def _read_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the `Key = value` lines up to `ElementDataFile`, which is the last one, and their length in bytes."""
    with path.open("rb") as stream:
        head = stream.read(_LONGEST_HEADER)
    fields: dict[str, str] = {}
    length = 0
    for line in head.split(b"\n"):
        length += len(line) + 1
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            break
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            break
    return fields, length


def _expected_bytes(fields: dict[str, str]) -> int | None:
    """The number of bytes after the header; None where a compressed file does not state it."""
    if fields.get("CompressedData", "False").lower() == "true":
        stated = fields.get("CompressedDataSize")
        return int(stated) if stated else None
    voxels = math.prod(int(n) for n in fields["DimSize"].split())
    return voxels * int(fields.get("ElementNumberOfChannels", "1")) * _TYPE_BYTES[fields["ElementType"]]
