"""The chapter on local failure of brain metastases: tables S2 and S3, with a simulated outcome in place of the real."""

from __future__ import annotations

from pathlib import Path

from LesionLensLib.training.evidence.markdown import NOT_MADE, figure, people, table
from LesionLensLib.training.evidence.printed import printed_figure
from LesionLensLib.training.evidence.published import BRAIN_FIGURES, BRAIN_S2, BRAIN_S3, BRAIN_SETS
from LesionLensLib.training.evidence.saved import read_figures
from LesionLensLib.training.outcome.tables import Figures

MODEL = "attention-resnet-brainmet"
PRINTED, OURS = "paper, local failure", "ours, **simulated** local failure"
_SETS = {"training": "learned from", "validation": "held out (validation)", "test": "test"}
_OWN = {"volume": "lesion volume alone, no network", "truth": "the true risk of the simulation, no network"}


def brain_chapter(models: Path, rocs: str, features: str) -> list[str]:
    """Return the lines of the chapter; `rocs` and `features` are links to its pictures."""
    figures = read_figures(models / MODEL)
    test = figures["Res + SA"]["test"]["auc"]
    return [
        "## 1. Local failure of brain metastases: self-attention ResNet with Big Transfer",
        "",
        "Jalalifar et al., IEEE J Transl Eng Health Med 2022; model "
        f"[{MODEL}](../Resources/Models/{MODEL}/CARD.md). **All our numbers here are on simulated lesions with a "
        "simulated outcome**, since no images with a known outcome are public.",
        "",
        "**Comparable:** the six variants of the network among each other, on equal folds, and each with the volume "
        "alone. **Not comparable: any number of the paper with any of ours.** The paper's are for real local failure "
        "of 156 lesions in 124 patients after radiotherapy; ours for an outcome that a stated mechanism drew for "
        "simulated lesions. Whether the method predicts real local failure is not shown here, neither for nor "
        "against.",
        "",
        *_findings(figures),
        "",
        "### Table S3",
        "",
        f"On the test our numbers are of {people(test)}; no network ever saw their heads.",
        "",
        *_table_s3(figures),
        f"![ROC curves of the six variants, the volume and the true risk]({rocs})",
        "",
        "### Table S2 (validation, different pre-training)",
        "",
        "UCF101 cannot be shipped and no outcome belongs to BraTS's four patients at hand, so nothing here is "
        "pre-trained: one row of the table has a counterpart, in architecture alone.",
        "",
        *_table_s2(figures),
        "### What the network sees (t-SNE)",
        "",
        f"![t-SNE of the network's features of simulated lesions]({features})",
        "",
        "Features before the last layer of the shipped final network. **Left: lesions that it learned from; right: "
        "the test, which it never saw.** Only the right one is evidence, and of simulated lesions. In both, failures "
        "gather at one end, without a gap.",
        "",
    ]


def _findings(figures: Figures) -> list[str]:
    shipped = figures["Res + SA"]
    held_out, test = (shipped[scope]["auc_minus_volume"] for scope in ("validation", "test"))
    best, bit = shipped["test"]["auc"], figures["Res + SA + BiT"]["test"]["auc"]
    verdict = "is larger than" if test["low"] > 0 else "cannot be told apart from"
    return [
        f"**What came out (simulated).** The shipped Res + SA has a test AUC of {figure(best)}; with Big Transfer's "
        f"recipe it has {figure(bit)}, without anything pre-trained to transfer. On the test its AUC {verdict} that "
        f"of the lesion's volume alone: difference {figure(test)}; on held-out lesions the difference is "
        f"{figure(held_out)}. The true risk reaches {figure(figures['truth']['test']['auc'])}.",
    ]


def _table_s3(figures: Figures) -> list[str]:
    header = ("row", "lesions", "whose", "number", *BRAIN_FIGURES[:-2], "AUC", "F1", "what can be compared")
    rows: list[tuple[str, ...]] = []
    for scope, title in _SETS.items():
        cohort = BRAIN_SETS[scope]
        count = f"{cohort.cases} lesions" + (f", {cohort.patients} patients" if cohort.patients else "")
        for name, printed in BRAIN_S3.items():
            values = [printed_figure(f, v, cohort) for f, v in zip(BRAIN_FIGURES, printed[scope], strict=True)]
            rows.append((name, title, PRINTED, f"{count} ({cohort.events} events)", *values, ""))
            rows.append(_our_row(figures, name, name, scope, "architecture only; another outcome"))
        for name, words in _OWN.items():
            rows.append(_our_row(figures, name, words, scope, "with our rows"))
    return table(header, rows)


def _our_row(figures: Figures, name: str, shown: str, scope: str, words: str) -> tuple[str, ...]:
    found = figures[name][scope]
    values = [figure(found[f]) for f in BRAIN_FIGURES]
    return (shown, _SETS[scope], OURS, people(found["auc"], found["sensitivity"]["cases"]), *values, words)


def _table_s2(figures: Figures) -> list[str]:
    cohort, names = BRAIN_SETS["validation"], BRAIN_FIGURES[:3]
    header = ("row", "pre-training", "rate", "batch", *(f"{n}, paper, {cohort.cases} lesions" for n in names),
              f"ours, **simulated**: {', '.join(names)}")  # fmt: skip
    rows = []
    for row, before, rate, batch, printed in BRAIN_S2:
        values = [printed_figure(f, v, cohort) for f, v in zip(names, printed, strict=True)]
        ours = NOT_MADE
        if before == "none":
            found = figures[row]["validation"]
            ours = f"{', '.join(figure(found[f]) for f in names)}; {people(found['auc'])}; Adam at 0.001"
        rows.append((row, before, rate, str(batch), *values, ours))
    return table(header, rows)
