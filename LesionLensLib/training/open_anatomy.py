"""Bring two public T1 templates into the form the manifest wants: anatomy onto which contrasts are painted.

`python -m LesionLensLib.training.open_anatomy TEMPLATES ANATOMY`; TEMPLATES is a folder that holds, at any depth,
`ch2bet.nii.gz` of the Debian package mricron-data (Colin 27: Holmes et al., J Comput Assist Tomogr 22, 1998) and
`mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz` of the Python package nilearn (ICBM 2009a: Fonov et al., NeuroImage
54, 2011). Both lie in MNI space with the skull removed; both are free to use, copy and change. ANATOMY gets one folder
a brain with `T1.nii.gz` and `brain.nii.gz`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume, read_volume, write_volume

TEMPLATES = {"colin27": "ch2bet.nii.gz", "icbm2009a": "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"}


def write_anatomy(templates: Path, folder: Path) -> None:
    """Write T1 and brain of every template; raises `UserError` where one is missing."""
    for case, name in TEMPLATES.items():
        paths = sorted(templates.rglob(name))
        if not paths:
            raise UserError(f"The template {name} is missing.", "Unpack the package that holds it, see --help.")
        t1 = read_volume(paths[0])
        labels, _ = ndimage.label(t1.array > 0)
        largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        brain = ndimage.binary_fill_holes(largest)
        (folder / case).mkdir(parents=True, exist_ok=True)
        write_volume(t1, folder / case / "T1.nii.gz")
        write_volume(Volume(brain.astype(np.uint8), t1.grid), folder / case / "brain.nii.gz")


if __name__ == "__main__":
    write_anatomy(Path(sys.argv[1]), Path(sys.argv[2]))
