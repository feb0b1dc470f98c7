"""`make pictures`: the pictures of README and docs, each under Resources/Screenshots.

The segmentation comes from a real case under CC-BY where there is one, else from the simulated head; outcome and
explanation from the simulated thigh; the panels from the sample cases, drawn by the stand-in for Slicer's widgets.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from LesionLensLib.cli.demo import DemoCase, find_real_case, make_phantom_case, make_thigh_case
from LesionLensLib.cli.main import main as lesionlens
from LesionLensLib.scene_child import VIEWS_FOLDER

ROOT = Path(__file__).resolve().parents[2]
VIEWS = ("axial", "coronal", "sagittal", "threed")
TILE, GAP, CAPTION = 800, 8, 56
MAX_BYTES = 700_000
CREDITS = {
    "lj_p": "Image: patient {case}, Lesjak et al. 2017 (doi 10.1007/s12021-017-9348-7), CC-BY",
    "lj_long": "Image: {case}, Lesjak et al. 2016, CC-BY",
}
PHANTOM_CREDIT = "Image: simulated head made by LesionLens, not a patient"
THIGH_CREDIT = "Image: simulated thigh made by LesionLens, not a patient"
OUTCOME_MODEL = "chmfl-sarcoma"
KINDS = ("segmentation", "outcome", "explanation", "panels")


def main() -> int:
    """Make the pictures; returns the exit code of the first step that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with real cases; without it the phantom is used")
    parser.add_argument("--case", default="lj_p07", help="which real case (default: lj_p07)")
    parser.add_argument("--model", default="rsanet-ms", help="model id or folder (default: rsanet-ms)")
    parser.add_argument("--output", type=Path, default=ROOT / "Resources" / "Screenshots", help="where to write")
    parser.add_argument("--only", choices=KINDS, action="append", help="make these pictures alone; repeat")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        for kind in options.only or KINDS:
            code = make(kind, options, Path(work))
            if code != 0:
                return code
    return 0


def make(kind: str, options: argparse.Namespace, work: Path) -> int:
    """Make the pictures of one kind; returns the exit code."""
    if kind == "panels":
        command = [sys.executable, str(ROOT / "Testing" / "tools" / "panel_pictures.py"), str(options.output)]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    result = work / kind
    if kind == "segmentation":
        real = find_real_case(options.data, options.case)
        case = real or make_phantom_case(work / "phantom")
        arguments, model = _segment_arguments(case, options.model, result), Path(options.model).name
        credit = _credit(options.case) if real else PHANTOM_CREDIT
    else:
        command = "predict" if kind == "outcome" else "explain"
        arguments = _tumour_arguments(command, make_thigh_case(work / "thigh"), result)
        credit, model = THIGH_CREDIT, OUTCOME_MODEL
    code = lesionlens(arguments)
    if code == 0:
        write_picture(result / VIEWS_FOLDER, f"Model {model}. {credit}", options.output / f"{kind}.png")
    return code


def _segment_arguments(case: DemoCase, model: str, result: Path) -> list[str]:
    inputs = [f"--input={role}={path}" for role, path in case.inputs.items()]
    transforms = [f"--transform={role}={path}" for role, path in case.transforms.items()]
    return ["segment", "--model", model, *inputs, *transforms, "--output", str(result), "--scene"]


def _tumour_arguments(command: str, case: DemoCase, result: Path) -> list[str]:
    inputs = [f"--input={role}={path}" for role, path in case.inputs.items()]
    lesion = f"--mask=lesion={case.truth}"
    checks = ["--no-checks"] if command == "explain" else []  # they take minutes and change no picture
    return [command, "--model", OUTCOME_MODEL, *inputs, lesion, *checks, "--output", str(result), "--scene"]


def _credit(case: str) -> str:
    """Return who is to be named; a case without a known licence must not be shown."""
    for start, text in sorted(CREDITS.items(), key=lambda item: -len(item[0])):
        if case.startswith(start):
            return text.format(case=case)
    raise SystemExit(f"error: nothing is known about the licence of {case}\nremedy: choose an lj_ case")


def write_picture(views: Path, caption: str, output: Path) -> None:
    """Put four views side by side over a caption and write a PNG of at most 700 kB."""
    width = 2 * TILE + GAP
    sheet = Image.new("RGB", (width, width + CAPTION), "white")
    for index, name in enumerate(VIEWS):
        with Image.open(views / f"{name}.png") as view:
            tile = view.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, ((index % 2) * (TILE + GAP), (index // 2) * (TILE + GAP)))
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, width + CAPTION // 2), caption, "black", ImageFont.load_default(26), anchor="lm")
    save_small(sheet, output)


def save_small(picture: Image.Image, output: Path) -> None:
    """Write a PNG of at most 700 kB.

    Grey noise hardly compresses: 256 colours halve the size without a visible loss. They are chosen by coverage, for
    among so much grey the few red pixels of the outlines would not be given a colour of their own.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(output, optimize=True)
    size = output.stat().st_size
    if size > MAX_BYTES:
        output.unlink()
        raise SystemExit(f"error: {output.name} has {size} bytes, more than {MAX_BYTES}\nremedy: make TILE smaller")


if __name__ == "__main__":
    sys.exit(main())
