"""Draws the icons of the extension and its modules: `python Testing/tools/draw_icons.py`.

A grey brain stands for the image, orange for lesions; each module adds what it does. Drawn four times larger and
reduced, since Pillow does not smooth edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
SIZE = 128
SCALE = 4
BRAIN = (196, 204, 214, 255)
FOLD = (128, 140, 156, 255)
RIM = (72, 84, 102, 255)
LESION = (240, 120, 24, 255)
DARK = (38, 50, 66, 255)
HEAT = ((29, (250, 220, 60, 90)), (22, (250, 160, 30, 150)), (14, (230, 60, 30, 200)), (7, (130, 0, 40, 235)))
Canvas = ImageDraw.ImageDraw


def box(x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
    """Return the bounding box of an ellipse given in the 128-pixel frame."""
    return ((x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE)


def points(*pairs: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * SCALE, y * SCALE) for x, y in pairs]


def draw_brain(draw: Canvas, x: float = 64, y: float = 64, r: float = 50) -> None:
    """An axial brain slice: outline, midline and the two ventricles."""
    draw.ellipse(box(x, y, r * 0.86, r), fill=BRAIN, outline=RIM, width=3 * SCALE)
    draw.line(points((x, y - 0.86 * r), (x, y - 0.36 * r)), fill=FOLD, width=2 * SCALE)
    draw.line(points((x, y + 0.36 * r), (x, y + 0.86 * r)), fill=FOLD, width=2 * SCALE)
    for side in (-1, 1):
        draw.arc(box(x + side * 0.2 * r, y, 0.17 * r, 0.33 * r), 0, 360, fill=FOLD, width=round(2.5 * SCALE))
        for k, (fx, fy) in enumerate(((0.5, -0.46), (0.6, 0.02), (0.48, 0.46))):
            draw.arc(box(x + side * fx * r, y + fy * r, 0.15 * r, 0.13 * r), 40 + 30 * k, 250 + 20 * k, FOLD, 2 * SCALE)


def blob(draw: Canvas, x: float, y: float, r: float, outline: bool = False) -> None:
    if outline:
        draw.ellipse(box(x, y, r + 3.5, r + 3.5), outline=(255, 205, 60, 255), width=2 * SCALE)
    draw.ellipse(box(x, y, r, r * 0.9), fill=LESION)


def draw_extension(image: Image.Image) -> None:
    """A lens over a lesion: what it shows is larger."""
    draw = ImageDraw.Draw(image)
    draw_brain(draw, 58, 60, 52)
    blob(draw, 38, 40, 5)
    blob(draw, 40, 82, 4)
    draw.line(points((91, 95), (117, 121)), fill=DARK, width=11 * SCALE)
    draw.ellipse(box(76, 78, 27, 27), fill=(236, 244, 252, 255), outline=DARK, width=6 * SCALE)
    blob(draw, 76, 78, 11)


def draw_segmentation(image: Image.Image) -> None:
    """A brain whose lesions are outlined."""
    draw = ImageDraw.Draw(image)
    draw_brain(draw, 64, 64, 58)
    for x, y, r in ((44, 42, 9), (86, 52, 7), (50, 88, 6), (82, 86, 10)):
        blob(draw, x, y, r, outline=True)


def draw_outcome(image: Image.Image) -> None:
    """A lesion above a gauge from 0 to 1."""
    draw = ImageDraw.Draw(image)
    steps = 24
    for step in range(steps):
        share = step / (steps - 1)
        color = (round(70 + 175 * share), round(170 - 70 * share), round(120 - 80 * share), 255)
        start = 180 + 180 * step / steps
        draw.arc(box(64, 92, 56, 56), start, start + 180 / steps + 1, fill=color, width=16 * SCALE)
    angle = math.radians(-52)
    tip = (64 + 50 * math.cos(angle), 92 + 50 * math.sin(angle))
    draw.line(points((64, 92), tip), fill=DARK, width=5 * SCALE)
    draw.ellipse(box(64, 92, 8, 8), fill=DARK)
    blob(draw, 64, 17, 12)
    draw.line(points((20, 112), (108, 112)), fill=RIM, width=3 * SCALE)


def draw_explanation(image: Image.Image) -> None:
    """A brain under a heat map that peaks on the lesion."""
    draw_brain(ImageDraw.Draw(image), 64, 64, 58)
    heat = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(heat)
    for radius, color in HEAT:
        draw.ellipse(box(76, 54, radius, radius * 0.92), fill=color)
    image.alpha_composite(heat.filter(ImageFilter.GaussianBlur(2.2 * SCALE)))


ICONS: dict[str, Callable[[Image.Image], None]] = {
    "Resources/Icons/LesionLens.png": draw_extension,
    "LesionSegmentation/Resources/Icons/LesionSegmentation.png": draw_segmentation,
    "MetastasisOutcome/Resources/Icons/MetastasisOutcome.png": draw_outcome,
    "AttentionExplain/Resources/Icons/AttentionExplain.png": draw_explanation,
}


def main() -> None:
    """Write every icon, 128 x 128 pixels with a transparent ground."""
    for name, draw in ICONS.items():
        image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE), (0, 0, 0, 0))
        draw(image)
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, optimize=True)


if __name__ == "__main__":
    main()
