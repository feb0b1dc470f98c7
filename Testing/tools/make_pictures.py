"""`make pictures`: the README's picture, from a real case under CC-BY where there is one, else from the phantom."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from LesionLensLib.cli.demo import DemoCase, find_real_case, make_phantom_case
from LesionLensLib.cli.main import main as lesionlens
from LesionLensLib.scene_child import VIEWS_FOLDER

VIEWS = ("axial", "coronal", "sagittal", "threed")
TILE, GAP, CAPTION = 800, 8, 56
MAX_BYTES = 700_000
CREDITS = {
    "lj_p": "Image: patient {case}, Lesjak et al. 2017 (doi 10.1007/s12021-017-9348-7), CC-BY",
    "lj_long": "Image: {case}, Lesjak et al. 2016, CC-BY",
}
PHANTOM_CREDIT = "Image: simulated head made by LesionLens, not a patient"


def main() -> int:
    """Segment the case, draw its views, and write them as one picture; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with real cases; without it the phantom is used")
    parser.add_argument("--case", default="lj_p07", help="which real case (default: lj_p07)")
    parser.add_argument("--model", default="rsanet-ms", help="model id or folder (default: rsanet-ms)")
    parser.add_argument("--output", type=Path, default=Path("Resources/Screenshots/segmentation.png"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        real = find_real_case(options.data, options.case)
        case = real or make_phantom_case(Path(work, "phantom"))
        result = Path(work, "result")
        code = lesionlens(_segment_arguments(case, options.model, result))
        if code == 0:
            credit = _credit(options.case) if real else PHANTOM_CREDIT
            write_picture(result / VIEWS_FOLDER, f"Model {Path(options.model).name}. {credit}", options.output)
    return code


def _segment_arguments(case: DemoCase, model: str, result: Path) -> list[str]:
    inputs = [f"--input={role}={path}" for role, path in case.inputs.items()]
    transforms = [f"--transform={role}={path}" for role, path in case.transforms.items()]
    return ["segment", "--model", model, *inputs, *transforms, "--output", str(result), "--scene"]


def _credit(case: str) -> str:
    """Return who is to be named; a case without a known licence must not be shown."""
    for start, text in sorted(CREDITS.items(), key=lambda item: -len(item[0])):
        if case.startswith(start):
            return text.format(case=case)
    raise SystemExit(f"error: nothing is known about the licence of {case}\nremedy: choose an lj_ case")


def write_picture(views: Path, caption: str, output: Path) -> None:
    """Put four views side by side over a caption and write a PNG of at most 700 kB.

    Grey noise hardly compresses: 256 colours halve the size without a visible loss. They are chosen by coverage, for
    among so much grey the few red pixels of the outlines would not be given a colour of their own.
    """
    width = 2 * TILE + GAP
    sheet = Image.new("RGB", (width, width + CAPTION), "white")
    for index, name in enumerate(VIEWS):
        with Image.open(views / f"{name}.png") as view:
            tile = view.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, ((index % 2) * (TILE + GAP), (index // 2) * (TILE + GAP)))
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, width + CAPTION // 2), caption, "black", ImageFont.load_default(26), anchor="lm")
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(output, optimize=True)
    size = output.stat().st_size
    if size > MAX_BYTES:
        output.unlink()
        raise SystemExit(f"error: the picture has {size} bytes, more than {MAX_BYTES}\nremedy: make TILE smaller")


if __name__ == "__main__":
    sys.exit(main())
