"""Segmentations and maps as DICOM objects (PS3.3 A.51 Segmentation, A.75 Parametric Map)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from highdicom import UID, VOILUTTransformation
from highdicom.color import CIELabColor
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset

from LesionLensLib.dicom_out.codes import ENTIRE_BODY, LONGEST, NO_UNITS, Meaning, meaning_of
from LesionLensLib.dicom_out.origin import RESEARCH, Origin
from LesionLensLib.images.segmentation_file import Segment
from LesionLensLib.images.volume import Volume


def segmentation_object(labels: Volume, segments: Sequence[Segment], origin: Origin, number: int) -> Segmentation:
    """Return a binary SEG with one segment for each of `segments`, their values numbered from 1 in their order.

    Raises `UserError` where `labels` no longer lie on the grid of the source series.
    """
    origin.check_place(labels.grid)
    numbered = np.zeros(labels.array.shape, np.uint8)
    for index, segment in enumerate(segments, start=1):
        numbered[labels.array == segment.value] = index
    return Segmentation(
        source_images=origin.source,
        pixel_array=origin.volume(replace(labels, array=numbered)),
        segmentation_type="BINARY",
        segment_descriptions=[
            _described(segment, index, origin) for index, segment in enumerate(segments, start=1)
        ],
        content_label="LESIONS",
        content_description=f"LesionLens {origin.card.version}, {RESEARCH}"[:LONGEST],
        omit_empty_frames=bool(numbered.any()),
        **origin.identity("lesions", number),
    )


def map_object(image: Volume, name: str, quantity: CodedConcept, origin: Origin, number: int) -> ParametricMap:
    """Return a float32 parametric map of what `name` says, with its values as they are.

    Raises `UserError` as `segmentation_object`.
    """
    origin.check_place(image.grid)
    values = image.array.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    # The plain linear function allows no width below 1.
    window = VOILUTTransformation((low + high) / 2.0, max(high - low, 1e-6), voi_lut_function="LINEAR_EXACT")
    mapping = RealWorldValueMapping(
        lut_label="VALUE",
        lut_explanation=origin.described(name),
        unit=NO_UNITS,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=quantity,
    )
    made = ParametricMap(
        source_images=origin.source,
        pixel_array=origin.volume(replace(image, array=values)),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        content_label="MAP",
        content_description=f"LesionLens {origin.card.version}, {RESEARCH}"[:LONGEST],
        **origin.identity(name, number),
    )
    made.ContentCreatorName = ""  # the standard wants it said or left empty
    made.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [_anatomy(origin)]
    _reverse_frames(made)
    return made


def _reverse_frames(made: ParametricMap) -> None:
    """Let the frames of a map ascend along the normal of its planes.

    highdicom lets them descend, and dcmqi 1.5.7, which 3D Slicer uses, takes the first frame of a map for the lowest
    whatever its position says: the map came back upside down.
    """
    frames = np.frombuffer(made.FloatPixelData, np.float32).reshape(-1, made.Rows * made.Columns)
    made.FloatPixelData = frames[::-1].tobytes()
    groups = list(reversed(made.PerFrameFunctionalGroupsSequence))
    for number, group in enumerate(groups, start=1):
        group.FrameContentSequence[0].DimensionIndexValues = number
    made.PerFrameFunctionalGroupsSequence = groups


def _anatomy(origin: Origin) -> Dataset:
    """Return the Frame Anatomy item, without which dcmqi cannot open a map."""
    labels = origin.card.labels
    region = meaning_of(labels[0].terminology if labels else "").region
    anatomy = Dataset()
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = [region or ENTIRE_BODY]
    return anatomy


def _described(segment: Segment, index: int, origin: Origin) -> SegmentDescription:
    meaning: Meaning = meaning_of(segment.terminology)
    red, green, blue = (round(255 * part) for part in segment.color)
    return SegmentDescription(
        segment_number=index,
        segment_label=segment.name[:LONGEST],
        segmented_property_category=meaning.category,
        segmented_property_type=meaning.kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=origin.algorithm(),
        tracking_uid=UID(),
        tracking_id=f"{segment.id} {index}"[:LONGEST],
        anatomic_regions=None if meaning.region is None else [meaning.region],
        display_color=CIELabColor.from_rgb(red, green, blue),
    )
