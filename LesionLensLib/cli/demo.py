"""`make demo`: segment, predict and explain, on real cases where there are some, else on the project's own phantoms."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from LesionLensLib.catalogue import list_cards
from LesionLensLib.cli.main import main as lesionlens

ROLES = ("T1", "T2", "FLAIR")
OUTCOME_ROLES = ("PET", "CT")
OUTCOME_MODEL = "chmfl-sarcoma"
PHANTOM_SEED = 0
# Cubes of the usual 8 mm would show more and take twice as long.
CUBE_MM = 12


@dataclass(frozen=True)
class DemoCase:
    """The images of a demonstration by role, what they are in one sentence, and the mask of the lesions where known."""

    inputs: dict[str, Path]
    story: str
    truth: Path | None = None
    transforms: dict[str, Path] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and print tables of results; returns the exit code of the first step that fails."""
    description = "Segment a case, predict the outcome of another and explain that answer, with scenes and pictures."
    parser = argparse.ArgumentParser(prog="make demo", description=description)
    parser.add_argument("--data", type=Path, help="folder with real cases; without it the phantom is used")
    parser.add_argument("--case", default="lj_p07", help="which real case (default: lj_p07)")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="where to write (default: demo)")
    options = parser.parse_args(arguments)
    code = segment_case(find_real_case(options.data, options.case), options.output)
    if code == 0 and not any(card.id == OUTCOME_MODEL and card.weights_path.is_file() for card in list_cards()):
        print(f"The outcome is left out: the weights of {OUTCOME_MODEL} are not part of this copy.")
        return code
    if code == 0:
        code = predict_and_explain(options.data, options.output)
    return code


def segment_case(case: DemoCase | None, output: Path) -> int:
    """Segment the case, the phantom where it is None, into `output`/segment; returns the exit code."""
    case = case or make_phantom_case(output / "phantom")
    print(case.story)
    result = output / "segment"
    call = ["segment", *(f"--input={role}={path}" for role, path in case.inputs.items())]
    call += [f"--transform={role}={path}" for role, path in case.transforms.items()]
    code = lesionlens([*call, "--output", str(result), "--scene", "--overwrite"])
    if code == 0 and case.truth is not None:
        print(f"Dice against the known lesions: {dice_of(result, case.truth):.2f}")
    return code


def predict_and_explain(data: Path | None, output: Path) -> int:
    """Predict the outcome of a tumour into `output`/predict and explain it into `output`/explain; returns the code."""
    case = find_real_tumour(data) or make_thigh_case(output / "phantom-thigh")
    print(case.story)
    given = ["--model", OUTCOME_MODEL, *(f"--input={role}={path}" for role, path in case.inputs.items())]
    given += [f"--mask=lesion={case.truth}", "--scene", "--overwrite"]
    code = lesionlens(["predict", *given, "--output", str(output / "predict")])
    if code == 0:
        print("What that answer rests on: how much it changes without each cube of the images.")
        code = lesionlens(["explain", *given, f"--size-mm={CUBE_MM}", "--output", str(output / "explain")])
    return code


def find_real_case(data: Path | None, name: str) -> DemoCase | None:
    """Return the case folder called `name` below `data/ms`, or None where there is none with all three contrasts."""
    if data is None or not (data / "ms").is_dir():
        return None
    for folder in sorted((data / "ms").glob("*/")):
        inputs = {role: folder / name / f"{role}.nii.gz" for role in ROLES}
        if all(path.is_file() for path in inputs.values()):
            truth = folder / name / "lesion.nii.gz"
            files = {role: folder / name / f"{role}_to_FLAIR.txt" for role in ROLES}
            transforms = {role: path for role, path in files.items() if path.is_file()}
            return DemoCase(inputs, f"Real MRI of case {name}.", truth if truth.is_file() else None, transforms)
    print(f"There is no case {name} with T1, T2 and FLAIR in the data folder; the phantom is used.", file=sys.stderr)
    return None


def make_phantom_case(folder: Path) -> DemoCase:
    """Write the seeded phantom into `folder` and return it as a case."""
    from LesionLensLib.phantom import write_head_phantom

    paths = write_head_phantom(folder, PHANTOM_SEED)
    inputs = {role: Path(paths[role]) for role in ROLES}
    return DemoCase(inputs, "A simulated head with planted lesions, made on this computer.", Path(paths["lesion"]))


def find_real_tumour(data: Path | None) -> DemoCase | None:
    """Return the first public test case of `data/sarcoma_petct` with PET, CT and tumour, or None."""
    for folder in sorted((data / "sarcoma_petct" / "test_public").glob("*/")) if data is not None else []:
        inputs, mask = {role: folder / f"{role}.nii.gz" for role in OUTCOME_ROLES}, folder / "tumour.nii.gz"
        if all(path.is_file() for path in (*inputs.values(), mask)):
            return DemoCase(inputs, f"Real FDG-PET and CT of case {folder.name}, its tumour outlined by people.", mask)
    return None


def make_thigh_case(folder: Path) -> DemoCase:
    """Write the seeded thigh with its sarcoma into `folder` and return it as a case."""
    from LesionLensLib.phantom import write_thigh_phantom

    paths = write_thigh_phantom(folder, PHANTOM_SEED)
    inputs = {role: paths[role] for role in OUTCOME_ROLES}
    return DemoCase(inputs, "A simulated thigh with a sarcoma, made on this computer.", paths["lesion"])


def dice_of(result: Path, truth: Path) -> float:
    """Return the Dice overlap of a written segmentation with the true lesions, which lie on the same grid."""
    from LesionLensLib.images.read import read_volume
    from LesionLensLib.inference.segment import SEGMENTATION_FILE
    from LesionLensLib.metrics import block_counts, dice

    known = read_volume(truth)
    found = read_volume(result / SEGMENTATION_FILE)
    return dice(block_counts(found.array != 0, known.array != 0, known.grid.spacing_mm))


if __name__ == "__main__":
    sys.exit(main())
