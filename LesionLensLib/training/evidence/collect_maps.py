"""Explain the left and the right answer of the lesion load network by SMOCAM, and keep where its masks lie."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.explain.job.run import run_explain
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.manifest import ManifestRow, read_manifest
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress, SilentProgress
from LesionLensLib.training.evidence.saved import read_record

MAPS_FILE = "smocam.json"
SIDES = ("left", "right")


def collect_maps(model: str, manifest: Path, case: str, progress: Progress) -> dict[str, Any]:
    """Explain both sides of one case with a lesion label and write the record beside the model's weights.

    Raises `UserError` where the manifest has no such case.
    """
    card = find_card(model)
    row = next((one for one in read_manifest(manifest) if one.case == case), None)
    if row is None or not row.has(*card.roles, "brain", "lesion"):
        message = f"The manifest has no case {case} with images, brain and lesions."
        raise UserError(message, "Name a labelled case of the manifest.")
    reports = {}
    for number, side in enumerate(SIDES):
        progress.update("maps", number / len(SIDES), side)
        reports[side] = _explain(card, row, side)
    kept = {side: _kept(reports[side], side) for side in SIDES}
    record = {"case": case, "weights_sha256": card.weights.sha256, **kept}
    (card.folder / MAPS_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    progress.update("maps", 1.0, "done")
    return record


def read_maps(folder: Path) -> dict[str, Any]:
    """Return the record of `collect_maps`; raises `UserError` where it cannot be read."""
    return read_record(folder / MAPS_FILE, f"saved masks of {folder.name}", "Make them again with --maps.")


def _explain(card: ModelCard, row: ManifestRow, side: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        job = ExplainJob(
            inputs=tuple((role, str(row.files[role])) for role in card.roles),
            output=str(Path(folder) / "result"),
            model=str(card.folder),
            lesion_mask=str(row.files["lesion"]),
            brain_mask=str(row.files["brain"]),
            device="cpu",
            method="smocam",
            target=side,
            surface="none",
            checks=False,
        )
        return run_explain(job, SilentProgress())


def _kept(report: dict[str, Any], side: str) -> dict[str, Any]:
    result = report["result"]
    own = result["sides"][side]
    return {
        "said_ml": round(own["value_ml"], 2),
        "true_ml": round(own["measured_ml"], 2),
        "share_of_map": {name: round(own["share_of_map"][name], 3) for name in SIDES},
        "norm": round(result["norm"], 3),
        "error_over_sigma": round(result["error_over_sigma"], 2),
        "iterations": result["iterations"],
        "seconds": round(report["timing"]["explain"], 1),
    }
