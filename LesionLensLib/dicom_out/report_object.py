"""The structured report: a measurement group for each lesion, the outcome stated as research (PS3.16, TID 1500)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from highdicom import UID
from highdicom.seg import Segmentation
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)

import LesionLensLib
from LesionLensLib.dicom_out import codes
from LesionLensLib.dicom_out.findings import LesionFinding
from LesionLensLib.dicom_out.origin import RESEARCH, Origin
from LesionLensLib.outcome_card import SIMULATED_NOTE

# A decimal string holds 16 characters.
_DIGITS = 6
_DEVICE = CodedConcept("121007", "DCM", "Device")
_NAME = f"LesionLens {LesionLensLib.__version__}"


def report_object(
    findings: Sequence[LesionFinding], segmentation: Segmentation | None, origin: Origin, number: int
) -> Comprehensive3DSR:
    """Return the report of `findings`, whose outlines are the segments of `segmentation`.

    It is complete but neither final nor verified: no person has looked at it.
    """
    groups = [_group(finding, segmentation, origin) for finding in findings]
    device = DeviceObserverIdentifyingAttributes(
        uid=UID(), name=_NAME, manufacturer_name="LesionLens", model_name=origin.card.id
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=ObserverContext(_DEVICE, device)),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=groups,
    )
    evidence = [*origin.source, *([] if segmentation is None else [segmentation])]
    return Comprehensive3DSR(
        evidence=evidence, content=content, is_complete=True, **origin.identity("report", number)
    )


def _group(finding: LesionFinding, segmentation: Segmentation | None, origin: Origin) -> Any:
    label = origin.card.labels[0].terminology if origin.card.labels else ""
    meaning = codes.meaning_of(label)
    shared: dict[str, Any] = {
        "finding_type": meaning.kind,
        "finding_category": meaning.category,
        "finding_sites": None if meaning.region is None else [FindingSite(meaning.region)],
        "measurements": _measurements(finding),
        "qualitative_evaluations": _evaluations(finding, origin),
    }
    if segmentation is not None and finding.segment is not None:
        described = segmentation.SegmentSequence[finding.segment - 1]
        group = VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(described.TrackingUID, finding.name),
            referenced_segment=_reference(segmentation, finding.segment, origin),
            **shared,
        )
    else:
        images = [SourceImageForMeasurementGroup.from_source_image(image) for image in origin.source]
        group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(UID(), finding.name), source_images=images, **shared
        )
    group[0].ContentSequence.append(
        TextContentItem(codes.COMMENT, finding.text or finding.name, RelationshipTypeValues.CONTAINS)
    )
    return group


def _reference(segmentation: Segmentation, number: int, origin: Origin) -> ReferencedSegment:
    """Return the reference to a segment; highdicom 0.28.2 cannot make one by itself where it is the only segment."""
    return ReferencedSegment(
        segmentation.SOPClassUID,
        segmentation.SOPInstanceUID,
        number,
        source_series=SourceSeriesForSegmentation(str(origin.source[0].SeriesInstanceUID)),
    )


def _measurements(finding: LesionFinding) -> list[Measurement]:
    found = []
    if finding.volume_ml is not None:
        found.append(Measurement(codes.VOLUME, round(finding.volume_ml, _DIGITS), codes.MILLILITRE))
    if finding.lesion_count is not None:
        found.append(Measurement(codes.NUMBER_OF_LESIONS, finding.lesion_count, codes.NO_UNITS))
    if finding.probability is not None:
        name = codes.local("probability", f"Probability of {finding.event}, research")
        found.append(Measurement(name, round(finding.probability, _DIGITS), codes.NO_UNITS))
    for value, end in zip(finding.interval or (), ("Lower", "Upper"), strict=False):
        name = codes.local(f"{end.lower()}-95", f"{end} end of the 95 % interval of the probability")
        found.append(Measurement(name, round(value, _DIGITS), codes.NO_UNITS))
    return found


def _evaluations(finding: LesionFinding, origin: Origin) -> list[QualitativeEvaluation]:
    said = [(codes.local("use", "Permitted use"), codes.local("research", RESEARCH.capitalize()))]
    if finding.predicted:
        is_calibrated = "calibrated" if finding.calibrated else "not-calibrated"
        said += [
            (codes.local("class", "Predicted class, research"), codes.local("predicted", finding.predicted)),
            (codes.local("calibration", "Calibration of the probability"),
             codes.local(is_calibrated, is_calibrated.replace("-", " ").capitalize())),
        ]  # fmt: skip
    if origin.simulated:
        said.append((codes.local("evidence", "Evidence"), codes.local("simulated", SIMULATED_NOTE.capitalize())))
    return [QualitativeEvaluation(name, value) for name, value in said]
