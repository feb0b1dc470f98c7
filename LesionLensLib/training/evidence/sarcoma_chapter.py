"""The chapter on metastases of sarcoma: the tables of CHMFL, with lung metastasis in place of any distant one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from LesionLensLib.training.evidence.markdown import NOT_MADE, figure, people, table
from LesionLensLib.training.evidence.printed import printed_figure
from LesionLensLib.training.evidence.published import (
    SARCOMA,
    SARCOMA_FIGURES,
    SARCOMA_I,
    SARCOMA_II,
    SARCOMA_SII,
    SARCOMA_SIII,
    SARCOMA_SIV,
    Numbers,
)
from LesionLensLib.training.evidence.saved import read_figures
from LesionLensLib.training.outcome.tables import Figures

MODEL, FOLDS, YARDSTICK = "chmfl-sarcoma", "cross-validation", "suvmax"
PRINTED, OURS = "paper, **any distant** metastasis", "ours, **lung** metastasis"
SAME = {
    "HC + RF": ("radiomics-pet-ct", "the idea: other features, and logistic regression in place of a forest"),
    "Mask + HMFL": ("mask-hmfl", "architecture; another outcome, 3 mm in place of 1 mm"),
    "CFL": ("cfl", "architecture (outcome from the deepest level is our reading); another outcome, 3 mm"),
    "CHMFL": ("chmfl", "architecture; another outcome, 3 mm, other recipe"),
    "3D-CNN-CT": ("3d-cnn-ct", "kind of network and image; another outcome, 3 mm"),
    "3D-CNN-PET": ("3d-cnn-pet", "kind of network and image; another outcome, 3 mm"),
    "3D-CNN-PET-CT": ("3d-cnn-pet-ct", "kind of network and images; another outcome, 3 mm"),
}
"""Our row for a row of the paper, and what the two have in common."""

_MORE = {
    "chmfl-plain": ("CHMFL, the paper's plain recipe", "recipe and architecture; another outcome, 3 mm, 1500 steps"),
    "chmfl-2mm": ("CHMFL at 2 mm", "with our rows"),
    "chmfl-ensemble": ("CHMFL, two networks a fold", "with our rows"),
    "suvmax": ("SUVmax, no network", "with our rows"),
    "radiomics-pet": ("radiomics of PET", "with our rows"),
    "radiomics-pet-t1": ("radiomics of PET fused with T1 MR", "with our rows"),
}


def sarcoma_chapter(models: Path, rocs: str, features: str) -> list[str]:
    """Return the lines of the chapter; `rocs` and `features` are links to its pictures."""
    figures = read_figures(models / MODEL)
    return [
        "## 3. Metastases of soft-tissue sarcoma: CHMFL",
        "",
        f"Peng et al., arXiv 2104.11416; model [{MODEL}](../Resources/Models/{MODEL}/CARD.md). All numbers are on real "
        "patients with real outcomes.",
        "",
        "**Comparable:** our rows among each other: equal patients, equal six folds, everyone judged by networks "
        "that never saw him. **Not comparable as they stand: the paper's numbers with ours.** The paper predicts "
        "*any distant metastasis*, 24 of 48 patients; the public table names *lung metastasis* alone, 16 of the 42 "
        "patients at hand. The images are of one collection, the grid is 3 mm in place of 1 mm, and the paper's "
        "folds are not known.",
        "",
        *_findings(figures),
        "",
        "### Tables I and II",
        "",
        *_main_table(figures),
        "A printed specificity of 0.780 and an F1 of 0.750 cannot occur with the other numbers of MOR + 3D CNNs, nor "
        "0.797 with 24 patients without metastasis (3DMCL); they stand here as printed.",
        "",
        f"![ROC curves of the networks, of SUVmax and of radiomics]({rocs})",
        "",
        "### Table SIV: the outline of the tumour",
        "",
        "The outline is no matter of the outcome's label, so that these numbers lie closest to each other: 48 "
        "patients of the collection at 1 mm there, 42 at 3 mm here, ours compared with the contour on the image's "
        "own grid: inside the field of view, and with what lies outside of it counted as missed. Which of the two the "
        "paper reports is not said.",
        "",
        *_outlines(figures),
        "### Tables SII and SIII: pre-trained 2D networks, group norm",
        "",
        f"Any distant metastasis, {SARCOMA.cases} patients; {NOT_MADE}.",
        "",
        *_unmade({**SARCOMA_SII, **SARCOMA_SIII}),
        "### What the networks see (t-SNE, as the paper's Fig. 7)",
        "",
        f"![t-SNE of CHMFL's features of 42 patients]({features})",
        "",
        "Pooled features of all levels, which enter the last layers. **Left: the final network on the patients it "
        "learned from, which is no evidence of anything. Right: each patient by the network of the fold that held "
        "him out**; six networks do not share their axes, so each one's features were first freed of their mean and "
        "scale, and part of the disorder may come from that. In neither picture do the two outcomes lie apart. The "
        "paper does not say whether the patients of its Fig. 7 were held out.",
        "",
    ]


def _findings(figures: Figures) -> list[str]:
    ours, simple = figures["chmfl"][FOLDS], figures[YARDSTICK][FOLDS]
    difference = ours["auc_minus_suvmax"]
    beats = difference["low"] > 0
    verdict = "beats" if beats else "does not beat"
    better = sorted(n for n, row in figures.items() if n != YARDSTICK and row[FOLDS]["auc_minus_suvmax"]["low"] > 0)
    count = f"{ours['auc']['patients']} patients, {ours['sensitivity']['cases']} with the event"
    public = figures["chmfl"]["public-test"]["auc"]
    return [
        f"**What came out.** CHMFL has an AUC of {figure(ours['auc'])} for lung metastasis ({count}; the paper: 0.873 "
        f"for any distant metastasis). **It {verdict} SUVmax**, one number without any network, with "
        f"{figure(simple['auc'])} on the same patients: the difference is {figure(difference)}. "
        + (f"Rows that beat it: {', '.join(better)}." if better else "No other row beats it either.")
        + f" The fixed public test, judged by a network that learned from the other patients: AUC {figure(public)} "
        f"({public['patients']} patients).",
    ]


def _main_table(figures: Figures) -> list[str]:
    names = (*SARCOMA_FIGURES[:-2], "F1", "AUC")
    header = ("row", "whose", "patients", *names, "AUC minus that of SUVmax", "what can be compared")
    rows: list[tuple[str, ...]] = []
    count = f"{SARCOMA.cases} ({SARCOMA.events} events)"
    for name, printed in {**SARCOMA_II, **SARCOMA_I}.items():
        values = [printed_figure(f, v, SARCOMA) for f, v in zip(SARCOMA_FIGURES, printed, strict=True)]
        rows.append((name, PRINTED, count, *values, "-", "" if name in SAME else f"nothing: {NOT_MADE}"))
        if name in SAME:
            rows.append(_our_row(figures, SAME[name][0], name, SAME[name][1]))
    rows += [_our_row(figures, name, *words) for name, words in _MORE.items()]
    return table(header, rows)


def _our_row(figures: Figures, name: str, shown: str, words: str) -> tuple[str, ...]:
    found = figures[name][FOLDS]
    values = [figure(found[f]) for f in SARCOMA_FIGURES]
    count = people(found["auc"], found["sensitivity"]["cases"])
    return (shown, OURS, count, *values, figure(found.get("auc_minus_suvmax")), words)


def _outlines(figures: Figures) -> list[str]:
    header = ("row", "paper, 48 patients: Dice", "Jaccard", "accuracy", "sensitivity", "specificity",
              "ours: Dice in the box", "Dice of the whole tumour", "patients", "what can be compared")  # fmt: skip
    rows = []
    for name, printed in SARCOMA_SIV.items():
        values = [f"{value:.3f}" for value in printed]
        ours = (NOT_MADE, "-", "-", "nothing")
        if name in SAME:
            inside, whole = (figures[SAME[name][0]][FOLDS][wanted] for wanted in ("tumour_dice", "whole_dice"))
            ours = (figure(inside, 3), figure(whole, 3), people(whole), "Dice; other patients in part")
        rows.append((name, *values, *ours))
    return table(header, rows)


def _unmade(printed: Mapping[str, Numbers]) -> list[str]:
    header = ("row", *SARCOMA_FIGURES[:-2], "F1", "AUC")
    return table(
        header,
        [
            (name, *(printed_figure(f, v, SARCOMA) for f, v in zip(SARCOMA_FIGURES, values, strict=True)))
            for name, values in printed.items()
        ],
    )
