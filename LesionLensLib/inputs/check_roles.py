"""Whether every channel the model needs is there, once, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from LesionLensLib.inputs.expectations import CardLike
from LesionLensLib.inputs.findings import Finding


def check_roles(given: Sequence[str], card: CardLike) -> tuple[Finding, ...]:
    """Compare the roles as they were given (repeats included) with those of the model."""
    needed = [channel.role for channel in card.channel_def]
    listed = ", ".join(needed)
    findings = []
    twice = [role for role, count in Counter(given).items() if count > 1]
    unknown = sorted(set(given) - set(needed))
    missing = [role for role in needed if role not in given]
    if twice:
        findings.append(
            Finding(
                "error", "role-twice", f"{' and '.join(twice)} was given more than once.", "Give each channel once."
            )
        )
    if unknown:
        findings.append(
            Finding(
                "error",
                "role-unknown",
                f"The model has no channel {', '.join(unknown)}.",
                f"Its channels are {listed}.",
            )
        )
    if missing:
        findings.append(
            Finding("error", "role-missing", f"The channel {', '.join(missing)} is missing.", f"Give all of {listed}.")
        )
    return tuple(findings)
