"""Find PET, CT, MR and contours of every patient of the TCIA collection Soft-tissue-Sarcoma, by tags and never by path.

The folders of the old release, of NBIA, of IDC and of mirrors have different names; Modality, SeriesDescription and the
series that each RT structure set names are the same in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_headers import find_dicom_files, quiet_dicom, read_header
from LesionLensLib.images.dicom_series import read_dicom_series
from LesionLensLib.images.identity import hash_identity
from LesionLensLib.images.pet_series import read_pet
from LesionLensLib.images.rtstruct import find_tumour_roi, read_structure_set, referenced_series, roi_mask
from LesionLensLib.images.suv import SuvFallback
from LesionLensLib.images.volume import Volume

_TAGS = [
    "SeriesInstanceUID", "Modality", "SeriesDescription", "StudyDescription", "FrameOfReferenceUID", "PatientID",
    "ReferencedFrameOfReferenceSequence",
]  # fmt: skip
_MODALITIES = ("CT", "PT", "MR", "RTSTRUCT")
# The collection's own public numbering; any other number could be a hospital's and is shown as a hash.
_PUBLIC_CASE = re.compile(r"STS[_-](McGill-)?\d{3}", re.IGNORECASE)
_ON_PET = re.compile(r"pet", re.IGNORECASE)
_ALIGNED = re.compile(r"align", re.IGNORECASE)
# For each role: its modality, the words for it in the description of an image, and in that of a structure set.
_ROLES = {
    "PET": ("PT", "", r"struct[\W_]*pet\b"),
    "CT": ("CT", "", r"struct[\W_]*ct\b"),
    "T1": ("MR", r"t1", r"struct[\W_]*t1"),
    "T2": ("MR", r"t2|stir", r"struct[\W_]*(t2|stir)"),
}
_NEEDED = ("PET", "CT")


@dataclass(frozen=True)
class SeriesEntry:
    """One series: its files, what its tags say, and (RTSTRUCT) the series it was drawn on.

    `frame` tells which series share their patient coordinates; `case` is the collection's public number or a hash.
    """

    uid: str
    case: str
    modality: str
    description: str
    frame: str
    files: tuple[Path, ...] = field(repr=False)
    drawn_on: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that holds all files of the series, for `read_pet` and `read_dicom_series` with `uid`."""
        parents = {path.parent for path in self.files}
        shortest = min(parents, key=lambda p: len(p.parts))
        while not all(parent.is_relative_to(shortest) for parent in parents):
            shortest = shortest.parent
        return shortest


@dataclass(frozen=True)
class SarcomaCase:
    """The image series of one patient by role (PET, CT, and T1, T2 where there are), and the contours drawn on them."""

    case: str
    images: Mapping[str, SeriesEntry]
    structures: Mapping[str, SeriesEntry]


@dataclass(frozen=True)
class SarcomaIndex:
    """The usable cases in the order of their numbers, and why each other one was left out: `(case, reason)`."""

    cases: tuple[SarcomaCase, ...]
    skipped: tuple[tuple[str, str], ...]


def index_sarcoma(root: str | Path) -> SarcomaIndex:
    """Index the collection below `root`; a case needs one PET and one CT in one frame of reference, and contours.

    Raises `UserError` where the folder does not exist or holds no DICOM file.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"There is no folder {root.name}.", "Give the folder that holds the collection.")
    by_case: dict[str, list[SeriesEntry]] = {}
    for entry in index_series(root):
        by_case.setdefault(entry.case, []).append(entry)
    cases, skipped = [], []
    for case, entries in sorted(by_case.items()):
        try:
            cases.append(_sarcoma_case(case, entries))
        except _Unusable as reason:
            skipped.append((case, str(reason)))
    return SarcomaIndex(tuple(cases), tuple(skipped))


def read_sarcoma_case(case: SarcomaCase, fallback: SuvFallback | None = None) -> dict[str, Volume]:
    """Read a case: PET in SUV, CT, what MR there is, and the `lesion` as a mask on the grid of the CT.

    The contours drawn on the CT are taken, else those drawn on the PET, which shares its frame of reference. Raises
    `UserError` as `read_pet`, `read_dicom_series` and `roi_mask`.
    """
    volumes = {}
    for role, entry in case.images.items():
        if role == "PET":
            volumes[role] = read_pet(entry.folder, fallback, entry.uid)
        else:
            volumes[role] = read_dicom_series(entry.folder, entry.uid)
    contours = case.structures.get("CT") or case.structures["PET"]
    structures = read_structure_set(contours.files[0])
    volumes["lesion"] = roi_mask(structures, find_tumour_roi(structures), volumes["CT"])
    return volumes


def index_series(root: Path) -> tuple[SeriesEntry, ...]:
    """Return every CT, PET, MR and RTSTRUCT series below `root`, from the headers alone."""
    firsts: dict[str, pydicom.Dataset] = {}
    files: dict[str, list[Path]] = {}
    for path in find_dicom_files(root):
        record = read_header(path, _TAGS)
        with quiet_dicom():
            uid = str(record.get("SeriesInstanceUID") or "")
            if uid and str(record.get("Modality") or "") in _MODALITIES:
                firsts.setdefault(uid, record)
                files.setdefault(uid, []).append(path)
    with quiet_dicom():
        return tuple(_entry(uid, record, files[uid]) for uid, record in firsts.items())


def case_name(patient_id: str) -> str:
    """Return the collection's public case number as it is, any other patient number as a hash that names nobody."""
    patient_id = patient_id.strip()
    if _PUBLIC_CASE.fullmatch(patient_id):
        return patient_id
    return f"case-{hash_identity(patient_id)[:10]}"


def _entry(uid: str, record: pydicom.Dataset, files: Sequence[Path]) -> SeriesEntry:
    frame = str(record.get("FrameOfReferenceUID") or "").strip()
    return SeriesEntry(
        uid=uid,
        case=case_name(str(record.get("PatientID") or "")),
        modality=str(record.Modality),
        description=str(record.get("SeriesDescription") or "").strip(),
        frame=hash_identity(frame) if frame else "",
        files=tuple(files),
        drawn_on=referenced_series(record),
    )


class _Unusable(Exception):
    """Why a case cannot be used, in plain words."""


def _sarcoma_case(case: str, entries: Sequence[SeriesEntry]) -> SarcomaCase:
    images, structures = {}, {}
    for role in _ROLES:
        image = _image(entries, role)
        if image is not None:
            images[role] = image
            drawn = _structures_of(image, entries, role)
            if drawn is not None:
                structures[role] = drawn
    pet, ct = images["PET"], images["CT"]
    if pet.frame and ct.frame and pet.frame != ct.frame:
        raise _Unusable("PET and CT have different frames of reference")
    if not structures.keys() & set(_NEEDED):
        raise _Unusable("no single set of contours was drawn on the CT or the PET")
    return SarcomaCase(case, images, structures)


def _image(entries: Sequence[SeriesEntry], role: str) -> SeriesEntry | None:
    """Return the one image series of a role: the only one, or the only one on which contours were drawn."""
    modality, words, _ = _ROLES[role]
    found = [e for e in entries if e.modality == modality and re.search(words, e.description, re.IGNORECASE)]
    if modality == "MR":
        # MR series that name PET were resampled onto it by the authors; the scans themselves are wanted.
        found = [entry for entry in found if not _ON_PET.search(entry.description)]
    if len(found) > 1:
        drawn = [entry for entry in found if _structures_of(entry, entries, role) is not None]
        found = drawn if len(drawn) == 1 else found
    if len(found) == 1:
        return found[0]
    if role in _NEEDED:
        raise _Unusable(f"{len(found)} {role} series, and no contours tell which is meant" if found else f"no {role}")
    return None


def _structures_of(image: SeriesEntry, entries: Sequence[SeriesEntry], role: str) -> SeriesEntry | None:
    """Return the structure set drawn on `image`: by the series it names, else (none named) by its description.

    Sets that the authors moved from one scan to another ("Aligned") are left out: the contours of the scan are wanted.
    """
    own = [e for e in entries if e.modality == "RTSTRUCT" and not _ALIGNED.search(e.description)]
    fitting = [e for e in own if re.search(_ROLES[role][2], e.description, re.IGNORECASE)]
    naming = [e for e in own if image.uid in e.drawn_on]
    for found in (naming, [e for e in naming if e in fitting], [e for e in fitting if not e.drawn_on]):
        if len(found) == 1:
            return found[0]
    return None
