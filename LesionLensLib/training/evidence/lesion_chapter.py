"""The chapter on lesions of multiple sclerosis: table 1 of RSANet, and the few patients at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from LesionLensLib.training.evaluation import overlap_figures
from LesionLensLib.training.evidence.markdown import NOT_MADE, figure, table
from LesionLensLib.training.evidence.overlap_table import NETWORK, THRESHOLD, read_overlap
from LesionLensLib.training.evidence.published import LESIONS_1, LESIONS_FIGURES, LESIONS_PATIENTS
from LesionLensLib.training.evidence.saved import read_report

MODEL, REPEATS, CUT = "rsanet-ms", 1000, "0.5"
TITLES = ("sample Dice", "voxel Dice", "sample IoU", "voxel IoU")


def lesion_chapter(models: Path) -> list[str]:
    """Return the lines of the chapter."""
    overlap, report = read_overlap(models / MODEL), read_report(models / MODEL)
    found = {key: overlap_figures(list(patients.values()), REPEATS) for key, patients in overlap.items()}
    ours, simple = (found["test", method]["voxel_dice"] for method in (NETWORK, THRESHOLD))
    return [
        "## 4. Lesions of multiple sclerosis: RSANet",
        "",
        f"Zhang et al., MICCAI 2019; model [{MODEL}](../Resources/Models/{MODEL}/CARD.md).",
        "",
        "**Comparable:** the network with one threshold on FLAIR, on the same patient. **Not comparable: the paper's "
        f"numbers with ours.** The paper trained on 20 labelled patients and tested on {LESIONS_PATIENTS} of the same "
        "hospital, five times over; here *one* patient has a complete label to learn from and *one* to test on, with "
        "1.3 ml of lesions in small pieces, for which Dice is low and noisy whatever the method. Our intervals are "
        "over 16 mm cubes of the one patient: they say nothing about other patients. Of one patient sample and voxel "
        "averages are the same number.",
        "",
        f"**What came out.** On the public test patient the voxel Dice is {figure(ours)} (1 patient), one threshold "
        f"on FLAIR has {figure(simple)}. The paper's 0.711 is not reached, and the patient's images have shaped the "
        "method (see the card). The order of the paper's rows, RSA before non-local before plain U-Net, was not "
        "tested here: one row of seven was trained.",
        "",
        "### Table 1",
        "",
        *_table(found, report),
    ]


def _table(found: dict[tuple[str, str], dict[str, Any]], report: dict[str, Any]) -> list[str]:
    header = ("row", "whose", "patients", *TITLES, "what can be compared")
    count, rows = f"{LESIONS_PATIENTS}, mean of five splits", []
    for name, printed in LESIONS_1.items():
        words = "" if name == "RSA-111" else f"nothing: {NOT_MADE}"
        rows.append((name, "paper, real patients", count, *(f"{value:.3f}" for value in printed), words))
    first = report["started_from"]["report"]["labelled_patients_before_training_on_them"]
    early = first["whole_volume"]["real"]["voxel_dice_at_threshold"][CUT]
    planted = report["validation"]["whole_volume"]["planted"]["voxel_dice_at_threshold"][CUT]
    test, train = "1 real (lj_p07, not trained on, 1.3 ml)", "1 real (lj_p19, **trained on**, 49.8 ml)"
    rows += [
        ("RSA-111, width 16", "ours", test, *_four(found["test", NETWORK]), "architecture; other patients"),
        ("one threshold on FLAIR", "ours, no network", test, *_four(found["test", THRESHOLD]), "with our row above"),
        ("RSA-111, width 16, first half of the training", "ours", "1 real (lj_p19, unseen until then, 49.8 ml)",
         *_voxel(early), "architecture; from the training report, before the patient was trained on"),
        ("RSA-111, width 16", "ours", train, *_four(found["train", NETWORK]), "nothing: it was learned from"),
        ("one threshold on FLAIR", "ours, no network", train, *_four(found["train", THRESHOLD]), "nothing: fitted"),
        ("RSA-111, width 16", "ours, **simulated** lesions", f"{planted['patients']} simulated, brains trained on",
         *_voxel(planted), "nothing: simulated lesions, known brains; from the training report"),
    ]  # fmt: skip
    return table(header, rows)


def _four(figures: dict[str, Any]) -> tuple[str, ...]:
    return tuple(figure(figures[name], 3) for name in LESIONS_FIGURES)


def _voxel(record: dict[str, Any]) -> tuple[str, ...]:
    return ("-", figure(record, 3), "-", "-")
