"""What the input check has to say: a severity, a stable code, one sentence, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from LesionLensLib.errors import UserError

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One remark about the input; an "error" stops the work, the others go into the report."""

    severity: Severity
    code: str
    text: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the fields of `report.json`'s `findings`."""
        return {"severity": self.severity, "code": self.code, "text": self.text, "remedy": self.remedy}


def raise_on_error(findings: Iterable[Finding]) -> None:
    """Raise `UserError` with the text and remedy of the first error; further errors are counted in the text."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    more = f" ({len(errors) - 1} more: {', '.join(e.code for e in errors[1:])})" if len(errors) > 1 else ""
    raise UserError(
        errors[0].text + more,
        errors[0].remedy or "Correct the input and try again.",
        detail="; ".join(f"{e.code}: {e.text}" for e in errors),
    )
