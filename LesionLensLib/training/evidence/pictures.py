"""The pictures of the page: ROC curves of saved predictions, and saved features in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.roc import auc_figure, roc_curve
from LesionLensLib.training.evidence.feature_table import FINAL, FeatureTable
from LesionLensLib.training.evidence.markdown import figure
from LesionLensLib.training.outcome.predictions import Prediction

Curves = Mapping[str, Sequence[Prediction]]
"""What each row said, by the name that the legend shows; `NO_NETWORK` ends the name of a row without a network."""

NO_NETWORK = "*"

SEED = 0
PERPLEXITY = 10.0
"""About a quarter of the smallest cohort; scikit-learn's own 30 is nearly all of it."""

_LESS = 1e-6
_COLORS = ("#3b6fb6", "#c8452c")
_PLAIN = ("black", "grey")
_MARKERS = "osD^vPX*"
_SAVED: Mapping[str, Any] = {"dpi": 100, "metadata": {"Software": None}}


def draw_rocs(panels: Mapping[str, Curves], path: Path) -> None:
    """Draw one panel for each title, one curve a row with its area; dashed rows have no network."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(13, 6.6), layout="constrained")
    for axes, (title, curves) in zip(np.atleast_1d(picture.subplots(1, len(panels))), panels.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="lightgrey", linewidth=1)
        for number, (name, predictions) in enumerate(curves.items()):
            patients = [one.patient for one in predictions]
            said = Outcomes.of([one.outcome for one in predictions], [one.score for one in predictions], patients)
            curve, area = roc_curve(said), figure(auc_figure(said).to_dict())
            if curve is None:
                continue
            line = {"color": f"C{number}"}
            if name.endswith(NO_NETWORK):
                line = {"color": _PLAIN[number % len(_PLAIN)], "linestyle": "--"}
            axes.plot(curve.false_positive_rate, curve.true_positive_rate, **line, linewidth=1.6,
                      label=f"{name.removesuffix(NO_NETWORK)}  {area}")  # fmt: skip
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
        axes.set_title(title, fontsize=11)
        meaning = "row, AUC and 95 % interval (dashed: no network)"
        axes.legend(title=meaning, fontsize=9, title_fontsize=9, loc="lower right")
    picture.savefig(path, **_SAVED)


def draw_features(
    panels: Mapping[str, FeatureTable], classes: tuple[str, str], path: Path, note: str = ""
) -> None:
    """Draw one panel for each title: t-SNE of the lines of the table, coloured by outcome, marked by network.

    `note` stands above the whole. Raises `EnvironmentFault` where scikit-learn is not installed.
    """
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(13, 7.2), layout="constrained")
    for axes, (title, table) in zip(np.atleast_1d(picture.subplots(1, len(panels))), panels.items(), strict=True):
        places = embed(standardized(table))
        networks = sorted({row.network for row in table.rows})
        for number, network in enumerate(networks):
            for outcome, name in enumerate(classes):
                chosen = [row.network == network and row.outcome == outcome for row in table.rows]
                label = name if network == FINAL else f"{name}, {network}"
                axes.scatter(*places[chosen].T, s=34, color=_COLORS[outcome], marker=_MARKERS[number % len(_MARKERS)],
                             alpha=0.75, linewidths=0, label=f"{label} ({sum(chosen)})")  # fmt: skip
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=11)
        # Below, since the points leave no corner free.
        axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.01), frameon=False)
    if note:
        picture.suptitle(note, fontsize=11)
    picture.savefig(path, **_SAVED)


def standardized(table: FeatureTable) -> NDArray[np.float64]:
    """Return the features (n, p) with mean 0 and deviation 1 over the lines of each network.

    The axes of two networks have nothing to do with each other; what can be taken away is where and how wide they lie.
    """
    values = table.features.astype(np.float64)
    names = np.array([row.network for row in table.rows])
    for name in set(names.tolist()):
        chosen = names == name
        values[chosen] = (values[chosen] - values[chosen].mean(axis=0)) / (values[chosen].std(axis=0) + _LESS)
    return values


def embed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return t-SNE (n, 2) of features (n, p), the same for the same features; started from principal components.

    Source: van der Maaten and Hinton, JMLR 9 (2008), as in Fig. 7 of Peng et al., by scikit-learn. Raises
    `EnvironmentFault` where that is not installed.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        message = "The feature plots need scikit-learn, which is not installed."
        raise EnvironmentFault(message, "Install it: pip install 'lesionlens[train]'.", str(error)) from error
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    # Sums of several threads come out in another order each time; on a busy machine they also wait for one another.
    with threadpool_limits(1):
        places: NDArray[np.float64] = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(values)
    return places
