"""The README's picture names its source, keeps the outlines' colour and stays small."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pillow is not installed (optional group: scene)")
from PIL import Image


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The script behind `make pictures`, which is no package."""
    path = Path(__file__).resolve().parents[1] / "tools" / "make_pictures.py"
    specification = importlib.util.spec_from_file_location("make_pictures", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _views(folder: Path, noise: int) -> Path:
    generator = np.random.default_rng(1)
    for name in ("axial", "coronal", "sagittal", "threed"):
        grey = generator.integers(100 - noise, 100 + noise + 1, (400, 400, 1)).repeat(3, axis=2).astype(np.uint8)
        grey[200:203, 100:300] = (230, 55, 40)
        Image.fromarray(grey).save(folder / f"{name}.png")
    return folder


def test_four_views_become_one_sheet_whose_red_outlines_stay_red(tool: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "Screenshots" / "sheet.png"
    tool.write_picture(_views(tmp_path, noise=3), "a caption", output)

    with Image.open(output) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert pixels.shape == (1664, 1608, 3)
    for row in (402, 1210):
        for column in (400, 1208):
            assert np.abs(pixels[row, column] - (230, 55, 40)).max() < 20
    assert (pixels[1608:].max(-1) < 100).sum() > 300, "the caption is written"
    assert output.stat().st_size < 700_000


def test_a_picture_that_would_be_too_large_is_refused(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "MAX_BYTES", 1000)
    with pytest.raises(SystemExit, match="more than 1000"):
        tool.write_picture(_views(tmp_path, noise=3), "a caption", tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_real_cases_are_shown_with_their_source_and_unknown_ones_not_at_all(tool: ModuleType) -> None:
    assert "Lesjak et al. 2017" in tool._credit("lj_p07")
    assert "Lesjak et al. 2016" in tool._credit("lj_long_p12_study1")
    assert "CC-BY" in tool._credit("lj_p07")
    with pytest.raises(SystemExit, match="licence"):
        tool._credit("brats13_pat0001")
