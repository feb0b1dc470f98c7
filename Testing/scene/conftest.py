"""The real MRML of slicer-core without Qt; an empty scene for every test; results on oblique grids."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from result_case import ResultCase, make_case, oblique_grid

pytest.importorskip("slicer", reason="slicer-core is not installed (optional group: scene)")

from LesionLensLib.scene.renderer import NO_RENDERER, find_renderer, require_renderer
from LesionLensLib.scene.start import start


@pytest.fixture
def slicer() -> Iterator[Any]:
    """A started Slicer with an empty scene."""
    started = start()
    started.mrmlScene.Clear(0)
    yield started
    started.mrmlScene.Clear(0)


@pytest.fixture(scope="session")
def left_handed(tmp_path_factory: pytest.TempPathFactory) -> ResultCase:
    """A result on an oblique, anisotropic, left-handed grid: the kind of file that Slicer flips when it loads it."""
    return make_case(tmp_path_factory.mktemp("left"), oblique_grid(left_handed=True))


@pytest.fixture(scope="session")
def right_handed(tmp_path_factory: pytest.TempPathFactory) -> ResultCase:
    """The same head on an oblique, anisotropic, right-handed grid."""
    return make_case(tmp_path_factory.mktemp("right"), oblique_grid(left_handed=False))


@pytest.fixture
def show(slicer: Any) -> Callable[..., Any]:
    """Return a function that loads a case's image and shows its result."""
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.volumes import load_volume

    def load_and_show(case: ResultCase, **options: Any) -> Any:
        return show_result(case.folder, {"FLAIR": load_volume(case.image, "FLAIR")}, **options)

    return load_and_show


@pytest.fixture(scope="session")
def renderer() -> str:
    """A renderer that works; without one the test is skipped, or fails where LESIONLENS_REQUIRE_RENDERER is 1."""
    if find_renderer() is None:
        if os.environ.get("LESIONLENS_REQUIRE_RENDERER") == "1":
            pytest.fail(NO_RENDERER)
        pytest.skip(NO_RENDERER)
    return require_renderer()


@pytest.fixture
def case_copy(left_handed: ResultCase, tmp_path: Path) -> ResultCase:
    """A case whose folder a test may write into."""
    return make_case(tmp_path / "copy", left_handed.grid)
