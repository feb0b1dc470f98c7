"""What the Extensions Manager does with an archive, for tests: there is no manager outside of the application.

After `qSlicerExtensionsManagerModel` of Slicer 5 (`installExtension`, `extractExtensionArchive`): the extension is
named after the `.s4ext` file in the archive; everything is expected in one top folder, that of the first entry; on a
Mac only a folder named after the application's revision is taken; the description is then read from the share folder.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath


def install_from_file(archive: Path, extensions: Path, slicer_version: str, mac_revision: str = "") -> Path:
    """Install `archive` below the folder `extensions` and return the extension's own folder.

    Raises `FileNotFoundError` where the archive has not what the manager looks for.
    """
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory() as folder:
        names = tar.getnames()
        name = next((PurePosixPath(entry).stem for entry in names if entry.endswith(".s4ext")), "")
        if not name:
            raise FileNotFoundError(f"no extension description found in {archive.name}")
        tar.extractall(folder, filter="data")
        source = Path(folder, PurePosixPath(names[0]).parts[0])
        if mac_revision:
            source = source / "Slicer.app" / "Contents" / f"Extensions-{mac_revision}" / name
        target = extensions / name
        shutil.copytree(source, target)
    if not parse_description(target / "share" / f"Slicer-{slicer_version}" / f"{name}.s4ext"):
        raise FileNotFoundError(f"{archive.name} has no description for Slicer {slicer_version}")
    return target


def parse_description(file: Path) -> dict[str, str]:
    """Return the keys and values of a `.s4ext` file; the first word of a line is the key, `#` begins a comment."""
    lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {words[0]: " ".join(words[1:]) for words in lines if words}
