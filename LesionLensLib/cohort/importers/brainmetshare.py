"""BrainMetShare: metastases of Stanford, as PNG slices (`Mets_005/{0,1,2,3,seg}/NNN.png`) or as NIfTI.

Layout: aimi.stanford.edu/brainmetshare; Grovik et al., JMRI 51(1), 2020 (doi 10.1002/jmri.26766). 0 or bravo is the T1
gradient echo after contrast agent, 1 or t1_pre the T1 before, 2 or t1_gd the T1 spin echo after, 3 or flair the FLAIR,
seg the metastases as 0 and 255. The slices state no geometry: 0.94 x 0.94 x 1 mm is the authors' word, and that rows
run to the back, columns to the left and slices upwards is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import SimpleITK as sitk

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import Computed, LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree, by_ending, split_of
from LesionLensLib.geometry import Grid
from LesionLensLib.images.itk_messages import quiet_itk
from LesionLensLib.images.volume import Volume

_NIFTI = {"bravo": "T1c", "t1_pre": "T1", "t1_gd": "T1c_spin_echo", "flair": "FLAIR", "seg": "lesion"}
_SLICES = {"0": "T1c", "1": "T1", "2": "T1c_spin_echo", "3": "FLAIR", "seg": "lesion"}
_SPACING_MM = (0.94, 0.94, 1.0)
_NIFTI_FILE = rf"(Mets_\d+)/({'|'.join(_NIFTI)})\.{IMAGE}"
_SLICE_FILE = r"(Mets_\d+)/([0-3]|seg)/(\d+)\.png"


def fits(tree: Tree) -> bool:
    """Return whether the tree holds `Mets_NNN` folders of either release."""
    return tree.holds(_NIFTI_FILE) or tree.holds(_SLICE_FILE)


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the patients; slices become one image a contrast. The release's test patients have no mask."""
    folders: dict[str, list[str]] = {}
    for match in tree.matches(_NIFTI_FILE):
        folders.setdefault(str(PurePosixPath(match[0]).parent), []).append(match[0])
    makers = [(PurePosixPath(f).name, partial(_nifti_case, tree, f, files)) for f, files in folders.items()]
    stacks: dict[str, dict[str, list[str]]] = {}
    for match in tree.matches(_SLICE_FILE):
        home = str(PurePosixPath(match[0]).parent.parent)
        stacks.setdefault(home, {}).setdefault(match[2].lower(), []).append(match[0])
    makers += [(PurePosixPath(f).name, partial(_slice_case, tree, f, found)) for f, found in stacks.items()]
    assumed = "PNG slices state no geometry: 0.94 x 0.94 x 1 mm, and rows to the back, columns to the left are assumed."
    return collect(makers, [assumed] if stacks else [])


def _nifti_case(tree: Tree, folder: str, files: Sequence[str]) -> FoundCase:
    paths: dict[str, Path | Made] = {role: tree.path(file) for role, file in by_ending(files, _NIFTI).items()}
    if "lesion" in paths:
        paths["lesion"] = LabelMask(tree.path(by_ending(files, _NIFTI)["lesion"]))
    return _found(folder, files[0], paths)


def _slice_case(tree: Tree, folder: str, stacks: dict[str, list[str]]) -> FoundCase:
    counts = {name: len(files) for name, files in stacks.items()}
    if len(set(counts.values())) > 1:
        raise Unusable(f"its contrasts have different numbers of slices: {counts}")
    paths: dict[str, Path | Made] = {}
    for name, files in stacks.items():
        # 10.png comes after 9.png.
        ordered = sorted(files, key=lambda file: int(PurePosixPath(file).stem))
        paths[_SLICES[name]] = Computed(partial(_stacked, [tree.path(f) for f in ordered], name == "seg"))
    return _found(folder, next(iter(stacks.values()))[0], paths)


def _found(folder: str, file: str, paths: dict[str, Path | Made]) -> FoundCase:
    if "T1c" not in paths:
        raise Unusable("there is no T1 gradient echo after contrast agent (0 or bravo)")
    case = re.sub(r"^mets", "Mets", PurePosixPath(folder).name, flags=re.IGNORECASE)
    return FoundCase(case, case, paths, split_of(file))


def _stacked(slices: Sequence[Path], is_mask: bool) -> Volume:
    arrays = []
    for path in slices:
        try:
            with quiet_itk():
                array = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="PNGImageIO"))
        except RuntimeError as error:
            raise Unusable(f"the slice {path.parent.name}/{path.name} cannot be read") from error
        arrays.append(array[..., 0] if array.ndim == 3 else array)
    if len({array.shape for array in arrays}) > 1:
        raise Unusable(f"the slices in {slices[0].parent.name} are of different sizes")
    stack = np.stack(arrays)
    size = (stack.shape[2], stack.shape[1], stack.shape[0])
    return Volume((stack != 0).astype(np.uint8) if is_mask else stack, Grid(size, _SPACING_MM, (0.0, 0.0, 0.0)))
