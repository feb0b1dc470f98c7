"""Makes `scene.mrb` and `views/*.png` for `--scene` from a result folder and the images it was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.images.pet_series import PET_MODALITY, read_pet
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.register import read_transform
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.results import REPORT_FILE
from LesionLensLib.scene_child import SCENE_FILE, VIEWS_FOLDER, WORK_FOLDER

if TYPE_CHECKING:
    from LesionLensLib.scene.segmentation import SceneNodes


def write_scene(
    folder: Path,
    inputs: Mapping[str, Path],
    reference_role: str | None = None,
    brain_mask: Path | None = None,
    transforms: Mapping[str, Path] | None = None,
) -> None:
    """Write `scene.mrb`, then `views/*.png`, into a result folder; each appears whole or not at all.

    `inputs` are the images by role; one with a transform (reference points to its points, LPS) is brought onto the
    reference grid, as the program did. Without `reference_role` the first image on the result's grid is the
    background. Raises `UserError` for inputs that cannot be read, and `EnvironmentFault` without slicer-core, on a
    full disk, or where nothing can be drawn; in the last case `scene.mrb` is already there.
    """
    from LesionLensLib.scene.start import start

    start()
    from LesionLensLib.scene.bundle import write_bundle
    from LesionLensLib.scene.pictures import draw_pictures

    work = folder / WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    try:
        (work / VIEWS_FOLDER).mkdir(parents=True)
        nodes = build_scene(folder, inputs, reference_role, brain_mask, transforms or {})
        write_bundle(work / SCENE_FILE)
        (work / SCENE_FILE).replace(folder / SCENE_FILE)
        draw_pictures(nodes, work / VIEWS_FOLDER)
        shutil.rmtree(folder / VIEWS_FOLDER, ignore_errors=True)
        (work / VIEWS_FOLDER).replace(folder / VIEWS_FOLDER)
    except OSError as error:
        raise EnvironmentFault(
            f"The scene could not be written: {error.strerror or error}.",
            "Check that the disk has room and is writable.",
            repr(error),
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def build_scene(
    folder: Path,
    inputs: Mapping[str, Path],
    reference_role: str | None,
    brain_mask: Path | None,
    transforms: Mapping[str, Path],
) -> SceneNodes:
    """Fill the empty scene of slicer-core with the images, the result, and slice nodes that stand at the lesion."""
    from LesionLensLib.scene.explanation import is_explanation, show_explanation
    from LesionLensLib.scene.impact import show_impact
    from LesionLensLib.scene.layout import prepare_slices
    from LesionLensLib.scene.pictures import focus_ras, set_window
    from LesionLensLib.scene.prediction import PET, PET_OPACITY, is_prediction, modality, show_prediction
    from LesionLensLib.scene.probability import lay_over
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.volumes import add_volume

    report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    nodes_by_role = {}
    for role, volume in _read_inputs(folder, report, inputs, reference_role, transforms).items():
        nodes_by_role[role] = add_volume(volume, role)
        set_window(nodes_by_role[role])
    brain = None if brain_mask is None else read_volume(brain_mask)
    if is_explanation(report):
        nodes = show_explanation(folder, nodes_by_role, reference_role, brain)
        prepare_slices(nodes.reference, focus_ras(nodes))
        show_impact(nodes.others[0])
        return nodes
    predicted = is_prediction(report)
    if predicted:
        nodes = show_prediction(folder, nodes_by_role, reference_role)
    else:
        nodes = show_result(folder, nodes_by_role, reference_role, brain)
    prepare_slices(nodes.reference, focus_ras(nodes))
    for role, node in nodes_by_role.items():
        if predicted and modality(report, role) == PET:
            lay_over(node, PET_OPACITY)
    return nodes


def _read_inputs(
    folder: Path,
    report: Mapping[str, Any],
    inputs: Mapping[str, Path],
    reference_role: str | None,
    transforms: Mapping[str, Path],
) -> dict[str, Volume]:
    """Read the images as the program did: a PET in SUV, an image with a transform on the reference grid."""
    from LesionLensLib.images.suv import SuvFallback  # pydicom takes 0.2 s to import

    settings = report.get("settings", {})
    pets = {role for role, kind in settings.get("modalities", {}).items() if kind == PET_MODALITY}
    fallback = SuvFallback.of(**settings.get("assumed", {}))
    volumes = {role: read_pet(path, fallback) if role in pets else read_volume(path) for role, path in inputs.items()}
    for role, path in transforms.items():
        known = volumes.get(reference_role or "")
        grid = read_volume(folder / "probability.nrrd").grid if known is None else known.grid
        volumes[role] = resample(volumes[role], grid, transform=read_transform(path))
    return volumes
