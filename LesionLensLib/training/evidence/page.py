"""The whole page: what stands in it, its summary, and the pictures beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from LesionLensLib.catalogue import models_root
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.training.evaluation import overlap_figures
from LesionLensLib.training.evidence import brain_chapter, lesion_chapter, load_chapter, sarcoma_chapter
from LesionLensLib.training.evidence.cost_chapter import cost_chapter
from LesionLensLib.training.evidence.feature_table import read_features
from LesionLensLib.training.evidence.markdown import figure, people, table
from LesionLensLib.training.evidence.overlap_table import NETWORK, read_overlap
from LesionLensLib.training.evidence.pictures import Curves, draw_features, draw_rocs
from LesionLensLib.training.evidence.published import BRAIN_S3, LESIONS_PATIENTS, SARCOMA
from LesionLensLib.training.evidence.saved import read_figures, read_said

FIGURES, COST_FILE = "figures", "evidence/attention-cost.json"
BRAIN_ROC, BRAIN_FEATURES = "brainmet-roc.png", "brainmet-features.png"
SARCOMA_ROC, SARCOMA_FEATURES = "sarcoma-roc.png", "sarcoma-features.png"


@dataclass(frozen=True)
class Place:
    """Where the page is written, with its folder of pictures and its measurement, and where the models lie."""

    page: Path
    models: Path

    @classmethod
    def beside(cls, page: Path) -> Place:
        """Return the place of a page made of the shipped models."""
        return cls(page, models_root())

    @property
    def figures(self) -> Path:
        """The folder of the pictures."""
        return self.page.parent / FIGURES

    @property
    def cost(self) -> Path:
        """The saved measurement of attention."""
        return self.page.parent / COST_FILE


def make_page(place: Place) -> str:
    """Return the page as Markdown; only saved predictions, figures and measurements are read."""
    link = FIGURES + "/"
    lines = [
        *_opening(),
        *_summary(place.models),
        *brain_chapter.brain_chapter(place.models, link + BRAIN_ROC, link + BRAIN_FEATURES),
        *load_chapter.load_chapter(place.models),
        *sarcoma_chapter.sarcoma_chapter(place.models, link + SARCOMA_ROC, link + SARCOMA_FEATURES),
        *lesion_chapter.lesion_chapter(place.models),
        *cost_chapter(place.cost),
    ]
    return "\n".join(lines).rstrip() + "\n"


def draw_pictures(place: Place) -> None:
    """Draw ROC curves and features of both outcome models; raises `EnvironmentFault` without scikit-learn."""
    place.figures.mkdir(parents=True, exist_ok=True)
    brain, sarcoma = (place.models / name for name in (brain_chapter.MODEL, sarcoma_chapter.MODEL))
    draw_rocs(_brain_curves(brain), place.figures / BRAIN_ROC)
    draw_rocs(_sarcoma_curves(sarcoma), place.figures / SARCOMA_ROC)
    seen, unseen = (read_features(brain).part(learned) for learned in (True, False))
    panels = {
        f"simulated lesions learned from ({len(seen.rows)})": seen,
        f"simulated test lesions, never seen ({len(unseen.rows)})": unseen,
    }
    draw_features(panels, ("local control", "local failure"), place.figures / BRAIN_FEATURES, SIMULATED_NOTE)
    seen, unseen = (read_features(sarcoma).part(learned) for learned in (True, False))
    panels = {
        f"final network, patients learned from ({len(seen.rows)})": seen,
        f"networks of the folds, patients held out ({len(unseen.rows)})": unseen,
    }
    draw_features(panels, ("no lung metastasis", "lung metastasis"), place.figures / SARCOMA_FEATURES)


def _brain_curves(folder: Path) -> dict[str, Curves]:
    said = read_said(folder)
    names = {**{name: name for name in BRAIN_S3}, "volume": "volume alone*", "truth": "true risk*"}
    return {
        f"simulated outcome: {len(said['volume'][scope])} {title}": {n: said[row][scope] for row, n in names.items()}
        for scope, title in (("validation", "held-out lesions"), ("test", "test lesions"))
    }


def _sarcoma_curves(folder: Path) -> dict[str, Curves]:
    said, scope = read_said(folder), sarcoma_chapter.FOLDS
    networks = {"chmfl": "CHMFL", "cfl": "CFL", "mask-hmfl": "Mask + HMFL", "chmfl-plain": "CHMFL, plain recipe"}
    others = {"chmfl": "CHMFL", "3d-cnn-pet-ct": "3D CNN, PET and CT", "3d-cnn-pet": "3D CNN, PET",
              "3d-cnn-ct": "3D CNN, CT", "radiomics-pet-ct": "radiomics, PET and CT*"}  # fmt: skip
    simple = {"suvmax": "SUVmax*"}
    return {
        f"lung metastasis, {len(said['suvmax'][scope])} patients: {title}": {n: said[r][scope] for r, n in rows.items()}
        for title, rows in (("CHMFL and its parts", simple | networks), ("images and features", simple | others))
    }


def _opening() -> list[str]:
    return [
        "# Evidence",
        "",
        "What four papers report, and what their methods reach here on the data at hand. `make evidence` makes this "
        "page and its pictures from predictions that are saved beside the models; nothing in it was typed in but the "
        "papers' numbers. **Research software; none of these models is fit for use on a patient.**",
        "",
        "How to read it: in brackets stands the 95 % interval: Wilson's for shares of single patients and DeLong's "
        "for AUC, else a bootstrap over patients. The papers print no intervals; those beside their numbers were "
        "computed here from the counts of cases (Wilson; Newcombe for AUC), as if cases were independent. "
        "**simulated** marks every row whose lesions or outcomes are not real. Shares are at a probability of 0.5.",
        "",
    ]


def _summary(models: Path) -> list[str]:
    brain, sarcoma = (read_figures(models / name) for name in (brain_chapter.MODEL, sarcoma_chapter.MODEL))
    failure, lung = brain["Res + SA"]["test"], sarcoma["chmfl"][sarcoma_chapter.FOLDS]
    simple = sarcoma["suvmax"][sarcoma_chapter.FOLDS]["auc"]
    counts = read_overlap(models / lesion_chapter.MODEL)["test", NETWORK]
    lesions = overlap_figures(list(counts.values()), lesion_chapter.REPEATS)["voxel_dice"]
    header = ("paper", "its number", "ours", "patients here", "can the two be compared?")
    return table(
        header,
        [
            ("[Jalalifar 2022](#1-local-failure-of-brain-metastases-self-attention-resnet-with-big-transfer)",
             "AUC 0.91, real local failure, 40 lesions", f"AUC {figure(failure['auc'])}, **simulated** outcome",
             people(failure["auc"]), "no: another outcome, drawn by a mechanism"),
            ("[Konate 2021](#2-what-a-regression-network-looks-at-smocam)", "about 40 s a mask; no error printed",
             "masks made in seconds; the network under them learned from **simulated** lesions", "1",
             "the method yes, the numbers no"),
            ("[Peng 2021](#3-metastases-of-soft-tissue-sarcoma-chmfl)",
             f"AUC 0.873, any distant metastasis, {SARCOMA.cases} patients",
             f"AUC {figure(lung['auc'])}, lung metastasis; SUVmax alone {figure(simple)}", people(lung["auc"]),
             "no: another outcome, though patients of the same collection"),
            ("[Zhang 2019](#4-lesions-of-multiple-sclerosis-rsanet)",
             f"voxel Dice 0.711 (RSA-111), {LESIONS_PATIENTS} patients", f"voxel Dice {figure(lesions)}",
             str(lesions["patients"]), "no: one patient to learn from, one to test on"),
            ("[Zhang 2019](#5-what-slice-attention-costs-beside-a-non-local-block)",
             "28 times less memory, 100 times fewer FLOPs",
             "depends on the size", "none needed", "yes, size by size"),
        ],
    )  # fmt: skip
