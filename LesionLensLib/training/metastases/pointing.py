"""Do maps point at what really decides? `python -m LesionLensLib.training.metastases.pointing COHORT.csv FOLDER`.

The fate of a simulated metastasis depends on its volume, its necrosis and the unevenness of the oedema near its edge
(`mechanism`), so it is known which voxels an explanation may point at. Every method explains the same test lesions as
`lesionlens explain` would; three maps that know nothing of the network stand beside them. FOLDER gets `pointing.csv`
with a row for every lesion and method, and `pointing.md` with the means and their 95 % intervals over patients.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from LesionLensLib.explain.attention_maps import attention_map
from LesionLensLib.explain.gradcam import gradcam
from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.job.outcome import begin_outcome
from LesionLensLib.explain.job.run import PHASES
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.sigma import score_sigma
from LesionLensLib.explain.smocam import SmocamSettings, smocam
from LesionLensLib.explain.validity.pointing import Pointing, point
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.manifest import ManifestRow, read_manifest
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.bootstrap import bootstrap_interval
from LesionLensLib.outcome.outcomes import Floats, Indices
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training.brain import BoolArray
from LesionLensLib.training.metastases.lattice import distance_mm
from LesionLensLib.training.metastases.masks import Margins
from LesionLensLib.training.metastases.records import PART_LABELS

MODEL = "attention-resnet-brainmet"
MEANING = MappingProxyType(
    {
        "hit": "pointing accuracy", "distance_mm": "peak to truth, mm", "energy_share": "energy in the truth",
        "overlap": "overlap (Dice)", "chance": "by chance",
    }
)  # fmt: skip

DIGITS = MappingProxyType({name: 1 if name == "distance_mm" else 2 for name in MEANING})

Map = NDArray[np.float32]
Maker = Callable[[Question, float], Map]
PatientPointing = tuple[str, Pointing]
"""The patient, and how a map of one of the lesions lies to the truth."""


def true_region(parts: Volume, grid: Grid, margins: Margins | None = None) -> BoolArray:
    """Return where on `grid` (D, H, W) the mechanism looks: the lesion, and its oedema within the margin around it.

    `parts` are the labels that the simulation wrote for a lesion (`records.PART_LABELS`).
    """
    margins = margins or Margins()
    labels = resample(parts, grid, "nearest").array
    lesion = (labels == PART_LABELS["core"]) | (labels == PART_LABELS["rim"])
    away = distance_mm(lesion, grid)
    near = (away > margins.oedema_inner_mm) & (away <= margins.oedema_outer_mm)
    region: BoolArray = lesion | (near & (labels == PART_LABELS["oedema"]))
    return region


def centred_blob(shape: Sequence[int]) -> Map:
    """Return a Gaussian in the middle of the box, where every lesion lies, an eighth of each side wide."""
    blob = np.zeros(shape, np.float32)
    blob[tuple(side // 2 for side in shape)] = 1
    return np.asarray(gaussian_filter(blob, [side / 8 for side in shape]), np.float32)


def makers() -> Mapping[str, Maker]:
    """Return every method by name: it makes a map of a question whose score varies by sigma."""
    occlusion = OcclusionSettings(size_mm=6.0, fill="zero")
    preserving = SmocamSettings(mode="preserving")
    return {
        "occlusion, cubes of 6 mm": lambda asked, sigma: occlusion_map(asked, occlusion).total,
        "SMOCAM, norm 1": lambda asked, sigma: smocam(asked, sigma).map.array,
        "SMOCAM, preserving": lambda asked, sigma: smocam(asked, sigma, preserving).map.array,
        "Grad-CAM": lambda asked, sigma: gradcam(asked, signed=True).array,
        "self-attention, rolled out": lambda asked, sigma: attention_map(asked).map.array,
        "no network: the outline": lambda asked, sigma: asked.image[0, -1].numpy(),
        "no network: FLAIR": lambda asked, sigma: asked.image[0, 1].abs().numpy(),
        "no network: middle of the box": lambda asked, sigma: centred_blob(asked.grid.shape),
    }


def judge_lesion(row: ManifestRow, card: ModelCard, methods: Mapping[str, Maker]) -> dict[str, Pointing]:
    """Return how the map of every method lies to the truth for one simulated lesion; empty maps are left out."""
    asked = _begin(row, card).question
    sigma, truth = score_sigma(card, asked.readout), true_region(read_volume(row.files["parts"]), asked.grid)
    maps = {name: make(asked, sigma) for name, make in methods.items()}
    return {name: point(Volume(values, asked.grid), truth) for name, values in maps.items() if values.any()}


def _begin(row: ManifestRow, card: ModelCard) -> Begun:
    inputs = tuple((role, str(row.files[role])) for role in card.roles)
    brain, lesion = str(row.files["brain"]), str(row.files["lesion"])
    job = ExplainJob(inputs, "unused", str(card.folder), device="cpu", brain_mask=brain, lesion_mask=lesion)
    return begin_outcome(job, card, PhaseClock(SilentProgress(), PHASES))


def table(judged: Mapping[str, Sequence[PatientPointing]]) -> str:
    """Return the means by method as a Markdown table, with 95 % intervals from drawing patients with replacement."""
    columns = [MEANING[field.name] for field in fields(Pointing)]
    lines = [f"| map | lesions (patients) | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    for name, cases in judged.items():
        patients = np.array([patient for patient, _ in cases])
        groups = [np.flatnonzero(patients == patient) for patient in dict.fromkeys(patients)]
        means = [_mean(np.array([getattr(found, field.name) for _, found in cases]), groups, DIGITS[field.name])
                 for field in fields(Pointing)]  # fmt: skip
        lines.append(f"| {name} | {len(cases)} ({len(groups)}) | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


def _mean(values: Floats, groups: Sequence[Indices], digits: int) -> str:
    low, high = bootstrap_interval(groups, lambda index: float(values[index].mean()))
    return f"{values.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main(arguments: list[str] | None = None) -> int:
    """Judge test lesions, evenly spread over the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="pointing", description=__doc__)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--cases", type=int, default=40)
    options = parser.parse_args(arguments)
    try:
        card = find_card(options.model)
        rows = [row for row in read_manifest(options.cohort) if row.split == "test"]
        chosen = [rows[n] for n in np.linspace(0, len(rows) - 1, min(options.cases, len(rows))).round().astype(int)]
        _write(chosen, card, options.folder)
    except LesionLensError as error:
        print(f"error: {error.message}\nremedy: {error.remedy}", file=sys.stderr)
        return error.exit_code
    return 0


def _write(rows: Sequence[ManifestRow], card: ModelCard, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    judged: dict[str, list[PatientPointing]] = {}
    with (folder / "pointing.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "method", *(field.name for field in fields(Pointing))])
        for row in rows:
            for name, found in judge_lesion(row, card, makers()).items():
                judged.setdefault(name, []).append((row.patient, found))
                writer.writerow([row.case, name, *(f"{value:.6g}" for value in asdict(found).values())])
            print(f"{row.case}: {len(judged)} maps", file=sys.stderr)
    (folder / "pointing.md").write_text(table(judged), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
