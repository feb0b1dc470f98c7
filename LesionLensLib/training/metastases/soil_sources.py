"""Where the brains for simulated metastases come from: real visits, painted tissue maps, digital phantoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.phantom.anatomy import Anatomy, Tissue, build_anatomy
from LesionLensLib.phantom.contrast import draw_channel
from LesionLensLib.training.brain import CHANNELS, CSF, GREY, WHITE, Brain, FloatArray
from LesionLensLib.training.contrast_synthesis import SynthesisRange, paint
from LesionLensLib.training.healing import heal
from LesionLensLib.training.metastases.soil import Soil
from LesionLensLib.training.open_ms import manifest_records
from LesionLensLib.training.sources import read_brain

PHANTOM_FIRST_SEED = 501
"""Far from seed 0, the sample case, and from the phantoms that the segmentation network was trained on."""

TISSUE_BLUR_MM = 0.7
MARGIN_VOXELS = 6
# Of the phantom's tissues, inside its brain.
_PHANTOM_CLASSES = {Tissue.CSF: CSF, Tissue.GREY: GREY, Tissue.DEEP_GREY: GREY, Tissue.WHITE: WHITE}


def open_ms_rows(data: Path) -> list[ManifestRow]:
    """Return the visits of the shared multiple-sclerosis images that may be trained on, with T1POST where it exists.

    Test patients are left out, whatever visit of theirs it is.
    """
    rows = []
    records = manifest_records(data)
    tested = {record["patient"] for record in records if record.get("split") == "test"}
    for record in records:
        if record["patient"] in tested or not record.get("FLAIR"):
            continue
        files = {k: Path(v) for k, v in record.items() if k not in ("case", "patient", "split", "label") and v}
        post = files["FLAIR"].with_name("T1POST.nii.gz")
        files |= {"T1POST": post} if post.exists() else {}
        rows.append(ManifestRow(record["case"], record["patient"], record["split"], "", files))
    return rows


def read_soil(row: ManifestRow, seed: int = 0) -> Soil:
    """Read a visit with T1, T2, FLAIR and brain, heal its lesions, and return T1c and FLAIR at 1 mm.

    The coils' shading is divided out. T1POST, where the row has it, is T1c; else the plain T1 stands in. Raises
    `UserError` for a row of the test split.
    """
    if row.split == "test":
        raise UserError(f"{row.case} is a test case, not soil for training.", "Give rows of the train split only.")
    brain = read_brain(row)
    if row.has("T1POST"):
        post = resample(read_volume(row.files["T1POST"]), brain.grid).array
        post = correct_bias(post, brain.brain, brain.grid.spacing_mm[::-1])
        brain = replace(brain, channels=np.concatenate([brain.channels, post[None]]))
    healed = heal(brain, np.random.default_rng([seed, 11]))
    channels = np.stack([healed[-1] if row.has("T1POST") else healed[0], healed[CHANNELS.index("FLAIR")]])
    tissue = _calm_tissue(brain)
    return Soil(
        row.case, row.patient, "real", row.has("T1POST"), channels * brain.brain, brain.grid, brain.brain, tissue
    )


def _calm_tissue(brain: Brain) -> NDArray[np.uint8]:
    """Return the tissue map with healed places as white matter, without the single voxels that noise flips."""
    sick = brain.suspect.copy()
    if brain.lesion is not None:
        sick |= ndimage.binary_dilation(brain.lesion, iterations=2) & (brain.tissue == GREY) | brain.lesion
    tissue = np.where(sick & brain.brain, WHITE, brain.tissue)
    return np.where(brain.brain, 1 + _soft_shares(tissue).argmax(axis=0), 0).astype(np.uint8)


def _soft_shares(tissue: NDArray[np.uint8]) -> FloatArray:
    """Return the shares of fluid, grey and white matter (3, D, H, W) of a 1 mm tissue map, soft where they meet."""
    blurred = [ndimage.gaussian_filter((tissue == n).astype(np.float32), TISSUE_BLUR_MM) for n in (CSF, GREY, WHITE)]
    soft = np.stack(blurred)
    shares: FloatArray = (soft / np.maximum(soft.sum(axis=0), 1e-3)).astype(np.float32)
    return shares


def repainted(soil: Soil, limits: SynthesisRange, rng: np.random.Generator) -> Soil:
    """Return the anatomy of a 1 mm soil with both contrasts painted anew, at random levels of grey and fluid."""
    shares = torch.from_numpy(_soft_shares(soil.tissue) * soil.brain)
    images = paint(shares, torch.zeros(soil.brain.shape), limits, rng).numpy()
    channels = 1000 * images[[0, CHANNELS.index("FLAIR")]] * soil.brain
    return replace(
        soil, name=f"{soil.name}_painted", kind="painted", contrast_agent=False, channels=channels.astype(np.float32)
    )


def phantom_soil(number: int, spacing_mm: float = 1.0) -> Soil:
    """Return digital phantom `number`, cut to its brain, on its own axis-aligned grid."""
    seed = PHANTOM_FIRST_SEED + number
    rng = np.random.default_rng(seed)
    anatomy = build_anatomy(spacing_mm, rng)
    spots = np.argwhere(anatomy.brain)
    lower = np.maximum(spots.min(axis=0) - MARGIN_VOXELS, 0)
    upper = np.minimum(spots.max(axis=0) + MARGIN_VOXELS + 1, anatomy.brain.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
    grid = anatomy.grid.cropped([int(n) for n in lower[::-1]], [int(n) for n in (upper - lower)[::-1]])
    nothing = np.zeros(anatomy.grid.shape, np.float32)
    images = [draw_channel(role, anatomy, nothing, grid, rng, 1.0).array for role in ("T1", "FLAIR")]
    brain, tissue = anatomy.brain[box], _phantom_tissue(anatomy)[box]
    channels = np.stack(images).astype(np.float32) * brain
    plain = Soil(f"phantom{seed}", f"phantom{seed}", "phantom", False, channels, grid, brain, tissue)
    return on_patient_axes(plain)


def _phantom_tissue(anatomy: Anatomy) -> NDArray[np.uint8]:
    table = np.zeros(len(Tissue), np.uint8)
    for tissue, label in _PHANTOM_CLASSES.items():
        table[tissue] = label
    return np.where(anatomy.brain, np.maximum(table[anatomy.tissue], CSF), 0).astype(np.uint8)


def on_patient_axes(soil: Soil) -> Soil:
    """Return the same voxels with axes that run to L, P, S, as the network sees all patients."""
    grid = soil.grid.closest_to_lps()
    channels = np.stack([resample(Volume(c, soil.grid), grid, "nearest").array for c in soil.channels])
    brain, tissue = (
        resample(Volume(mask.astype(np.uint8), soil.grid), grid, "nearest").array for mask in (soil.brain, soil.tissue)
    )
    return replace(soil, channels=channels, grid=grid, brain=brain > 0, tissue=tissue)


def read_soils(data: Path, phantoms: int, cases: Sequence[str] = ()) -> list[Soil]:
    """Return the real soils of the shared multiple-sclerosis images (`cases` alone, where given), then phantoms."""
    rows = [row for row in open_ms_rows(data) if not cases or row.case in cases]
    return [read_soil(row) for row in rows] + [phantom_soil(number) for number in range(phantoms)]


def choose_tested(soils: Sequence[Soil], names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the anatomies (`Soil.patient`) kept for the test; raises `UserError` for one that is not there.

    By default that is the last phantom and, of the patients with a single visit and no contrast agent, the last one:
    the few with a real T1 after contrast are needed to learn from.
    """
    known = dict.fromkeys(soil.patient for soil in soils)
    if names is not None:
        for name in names:
            if name not in known:
                raise UserError(f"There is no anatomy called {name}.", f"Use one of: {', '.join(known)}.")
        return tuple(names)
    visits = Counter(soil.patient for soil in soils)
    single = [s.patient for s in soils if s.kind == "real" and visits[s.patient] == 1 and not s.contrast_agent]
    phantoms = [soil.patient for soil in soils if soil.kind == "phantom"]
    return tuple(sorted(group)[-1] for group in (single, phantoms) if group)
