"""The numbers that the papers print in tables, as printed.

Sources: Jalalifar et al., IEEE JTEHM 2022, supplementary tables S2 and S3; Peng et al., arXiv 2104.11416, tables I, II,
SII, SIII and SIV; Zhang et al., MICCAI 2019, table 1.
"""

from __future__ import annotations

from dataclasses import dataclass

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Cohort:
    """Whom a printed number is about: cases with the event and without, and patients where the paper tells."""

    events: int
    others: int
    patients: int | None

    @property
    def cases(self) -> int:
        """All cases."""
        return self.events + self.others


BRAIN_SETS = {
    "training": Cohort(40, 61, None),
    "validation": Cohort(6, 9, None),
    "test": Cohort(17, 23, 25),
}
"""The lesions behind table S3: the only whole numbers that its percentages allow. Training and validation together are
99 patients."""

BRAIN_FIGURES = ("accuracy", "sensitivity", "specificity", "auc", "f1")
BRAIN_S3: dict[str, dict[str, Numbers]] = {
    "Res": {
        "training": (0.85, 0.75, 0.918, 0.88, 0.80),
        "validation": (0.80, 0.667, 0.889, 0.84, 0.727),
        "test": (0.80, 0.71, 0.87, 0.83, 0.75),
    },
    "Res + BiT": {
        "training": (0.85, 0.775, 0.90, 0.89, 0.80),
        "validation": (0.80, 0.833, 0.778, 0.86, 0.769),
        "test": (0.80, 0.824, 0.78, 0.84, 0.778),
    },
    "Res + CBAM": {
        "training": (0.87, 0.80, 0.918, 0.95, 0.831),
        "validation": (0.80, 0.833, 0.778, 0.88, 0.769),
        "test": (0.80, 0.824, 0.782, 0.87, 0.778),
    },
    "Res + CBAM + BiT": {
        "training": (0.87, 0.825, 0.90, 0.95, 0.835),
        "validation": (0.80, 1.0, 0.667, 0.88, 0.80),
        "test": (0.80, 0.882, 0.739, 0.88, 0.789),
    },
    "Res + SA": {
        "training": (0.89, 0.825, 0.935, 0.97, 0.857),
        "validation": (0.867, 0.833, 0.889, 0.89, 0.833),
        "test": (0.825, 0.765, 0.87, 0.88, 0.788),
    },
    "Res + SA + BiT": {
        "training": (0.90, 0.825, 0.95, 0.98, 0.868),
        "validation": (0.867, 0.833, 0.889, 0.93, 0.833),
        "test": (0.825, 0.824, 0.826, 0.91, 0.80),
    },
}

BRAIN_S2: tuple[tuple[str, str, str, int, Numbers], ...] = (
    ("Res", "UCF101, BraTS", "0.003", 4, (0.80, 0.667, 0.889)),
    ("Res + BiT", "UCF101, BraTS", "0.003", 4, (0.80, 0.833, 0.778)),
    ("Res + CBAM", "UCF101, BraTS", "0.003", 4, (0.80, 0.833, 0.778)),
    ("Res + CBAM + BiT", "UCF101, BraTS", "0.003", 4, (0.80, 1.0, 0.667)),
    ("Res + SA", "UCF101, BraTS", "0.003", 4, (0.867, 0.833, 0.889)),
    ("Res + SA + BiT", "UCF101, BraTS", "0.003", 4, (0.867, 0.833, 0.889)),
    ("Res", "none", "0.003", 4, (0.60, 0.667, 0.556)),
    ("Res", "BraTS", "0.003", 4, (0.733, 0.667, 0.778)),
    ("Res + BiT", "BraTS", "0.003", 4, (0.733, 0.833, 0.667)),
    ("Res + SA + BiT", "BraTS", "0.003", 4, (0.80, 0.833, 0.778)),
    ("Res + SA + BiT", "UCF101, BraTS", "0.00001", 4, (0.733, 0.833, 0.667)),
    ("Res + SA + BiT", "UCF101, BraTS", "0.01", 4, (0.80, 0.833, 0.778)),
    ("Res + SA + BiT", "UCF101, BraTS", "0.003", 8, (0.867, 1.0, 0.778)),
)
"""Row, pre-training, learning rate, batch, and accuracy, sensitivity and specificity on validation. The last
specificity is printed "0.78%"."""

SARCOMA = Cohort(24, 24, 48)
SARCOMA_FIGURES = ("accuracy", "sensitivity", "specificity", "precision", "f1", "auc")
SARCOMA_I: dict[str, Numbers] = {
    "HC + RF": (0.750, 0.792, 0.708, 0.731, 0.760, 0.726),
    "CNLPC": (0.729, 0.792, 0.667, 0.703, 0.745, 0.783),
    "MOR + 3D CNNs": (0.729, 0.750, 0.780, 0.720, 0.750, 0.793),
    "3DMCL": (0.854, 0.917, 0.797, 0.813, 0.862, 0.854),
    "Mask + HMFL": (0.813, 0.750, 0.875, 0.857, 0.800, 0.769),
    "CFL": (0.813, 0.958, 0.667, 0.742, 0.836, 0.852),
    "CHMFL": (0.854, 0.875, 0.833, 0.840, 0.857, 0.873),
}
SARCOMA_II: dict[str, Numbers] = {
    "2D-CNN-CT": (0.583, 0.708, 0.458, 0.567, 0.630, 0.503),
    "2D-CNN-PET": (0.729, 0.542, 0.917, 0.867, 0.667, 0.656),
    "2D-CNN-PET-CT": (0.729, 0.792, 0.667, 0.703, 0.745, 0.698),
    "3D-CNN-CT": (0.667, 0.667, 0.667, 0.667, 0.667, 0.684),
    "3D-CNN-PET": (0.771, 0.750, 0.792, 0.783, 0.766, 0.734),
    "3D-CNN-PET-CT": (0.792, 0.792, 0.792, 0.792, 0.792, 0.773),
}
SARCOMA_SII: dict[str, Numbers] = {
    "ResNet18": (0.729, 0.708, 0.750, 0.739, 0.723, 0.695),
    "ResNet18, pretrained": (0.792, 0.875, 0.708, 0.750, 0.808, 0.705),
    "ResNet34": (0.708, 0.667, 0.750, 0.727, 0.696, 0.683),
    "ResNet34, pretrained": (0.750, 0.708, 0.792, 0.773, 0.739, 0.717),
    "ResNet50": (0.729, 0.667, 0.792, 0.762, 0.711, 0.653),
    "ResNet50, pretrained": (0.750, 0.833, 0.667, 0.714, 0.769, 0.658),
    "CHMFL + ResNet18": (0.750, 0.792, 0.708, 0.731, 0.760, 0.715),
    "CHMFL + ResNet18, pretrained": (0.792, 0.917, 0.667, 0.733, 0.815, 0.741),
    "CHMFL + ResNet34": (0.729, 0.750, 0.708, 0.720, 0.735, 0.701),
    "CHMFL + ResNet34, pretrained": (0.771, 0.833, 0.708, 0.741, 0.784, 0.726),
    "CHMFL + ResNet50": (0.729, 0.625, 0.833, 0.790, 0.698, 0.710),
    "CHMFL + ResNet50, pretrained": (0.771, 0.875, 0.667, 0.724, 0.793, 0.754),
}
SARCOMA_SIII: dict[str, Numbers] = {
    "CHMFL + GN_c4": (0.729, 0.583, 0.875, 0.824, 0.683, 0.706),
    "CHMFL + GN_c8": (0.771, 0.792, 0.750, 0.760, 0.775, 0.787),
    "CHMFL + GN_c16": (0.833, 0.875, 0.792, 0.808, 0.840, 0.820),
}
SARCOMA_SIV: dict[str, Numbers] = {
    "V-net": (0.716, 0.558, 0.987, 0.561, 0.999),
    "CFL": (0.707, 0.547, 0.960, 0.991, 0.941),
    "CHMFL": (0.722, 0.565, 0.988, 0.898, 0.989),
}
"""Dice, Jaccard, and accuracy, sensitivity and specificity over voxels."""

LESIONS_FIGURES = ("sample_dice", "voxel_dice", "sample_iou", "voxel_iou")
LESIONS_1: dict[str, Numbers] = {
    "3D U-Net": (0.63984, 0.69640, 0.48754, 0.53506),
    "NCL-010": (0.64346, 0.70473, 0.49231, 0.54500),
    "NCL-101": (0.64069, 0.70121, 0.49103, 0.54090),
    "NCL-111": (0.64074, 0.70185, 0.48833, 0.54170),
    "RSA-010": (0.65300, 0.70207, 0.50248, 0.54200),
    "RSA-101": (0.65949, 0.71589, 0.50896, 0.55847),
    "RSA-111": (0.66011, 0.71054, 0.50917, 0.55201),
}
LESIONS_PATIENTS = 23
