"""Radiomics features of a tumour, by MIRP: shape, intensity and texture as the Image Biomarker Standardisation defines.

Zwanenburg et al., MIRP, Journal of Open Source Software 9 (2024). pyradiomics has had no wheel since Python 3.9.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.images.resample import resample
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.sarcoma.fusion import fuse

SPACING_MM = 3.0
# MIRP's shape family compares all pairs of voxels: 20 s a patient at 3 mm, and no more is known of the outline there.
SHAPE_SPACING_MM = 5.0
BINS = 32
TEXTURE = ("statistics", "glcm", "glrlm", "glszm", "ngtdm")
PREFIXES = ("morph_", "stat_", "cm_", "rlm_", "szm_", "ngt_")
# How MIRP calls the images.
MODALITIES: Mapping[str, str] = {"PET": "pet", "CT": "ct", "PET+MR_T1": "mri"}


def case_features(row: ManifestRow, images: tuple[str, ...]) -> dict[str, float]:
    """Return the features of one case by name; `images` are of `MODALITIES`."""
    reference = read_volume(row.files["PET"])
    mask = read_lesion_mask(row.files["lesion"], reference)
    features = mirp_features(reference, mask, MODALITIES["PET"], ("morphology",), SHAPE_SPACING_MM)
    for name in images:
        volume = _image(row, name, reference, mask)
        features |= {f"{name} {f}": v for f, v in mirp_features(volume, mask, MODALITIES[name], TEXTURE).items()}
    return features


def mirp_features(
    volume: Volume, mask: Volume, modality: str, families: tuple[str, ...], spacing_mm: float = SPACING_MM
) -> dict[str, float]:
    """Return MIRP's features of `volume` in `mask`, both on one grid, at `spacing_mm` and with 32 grey levels.

    Raises `EnvironmentFault` where MIRP is not installed.
    """
    try:
        from mirp import extract_features
    except ImportError as error:
        raise EnvironmentFault(
            "The radiomics rows need MIRP, which is not installed.",
            'Install it with pip install "lesionlens[radiomics]", or leave these rows out.',
            str(error),
        ) from error
    # MIRP reads files; its arrays have no geometry.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_volume(volume, folder / "image.nii.gz")
        write_volume(mask, folder / "mask.nii.gz")
        table = extract_features(
            image=str(folder / "image.nii.gz"),
            mask=str(folder / "mask.nii.gz"),
            image_modality=modality,
            new_spacing=spacing_mm,
            base_feature_families=list(families),
            base_discretisation_method="fixed_bin_number",
            base_discretisation_n_bins=BINS,
        )[0]
    return {name: float(table[name].iloc[0]) for name in table.columns if name.startswith(PREFIXES)}


def _image(row: ManifestRow, name: str, reference: Volume, mask: Volume) -> Volume:
    """Return an image on the grid of the PET."""
    if name == "PET":
        return reference
    if name == "CT":
        return resample(read_volume(row.files["CT"]), reference.grid, fill=-1000.0)
    mr = resample(read_volume(row.files["MR_T1"]), reference.grid)
    fused = fuse(reference.array, mr.array, mask.array != 0)
    return reference.with_array(fused.astype(np.float32))
