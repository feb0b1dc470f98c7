"""What the networks for sarcoma are compared with: the plain SUVmax, and radiomics."""

from __future__ import annotations

from LesionLensLib.training.outcome.baselines import Baseline


def make_baseline(name: str) -> Baseline:
    """Return the baseline called `name`; raises `EnvironmentFault` where its library is not installed."""
    if name == "suvmax":
        from LesionLensLib.training.sarcoma.suv_max import SuvMax

        return SuvMax()
    from LesionLensLib.training.sarcoma.radiomics import make_radiomics

    return make_radiomics(name)
