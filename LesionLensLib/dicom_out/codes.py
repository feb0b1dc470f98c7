"""The codes in our DICOM objects: SNOMED CT and DICOM's own where they have one, else local ones that say so.

Sources: DICOM PS3.16 (CID 7150, CID 7151, annex D) and the terminology of the model cards.
"""

from __future__ import annotations

from dataclasses import dataclass

from highdicom import AlgorithmIdentificationSequence
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

# The standard wants "99" before the name of a scheme that is nobody else's.
LOCAL = "99LESIONLENS"
LONGEST = 64
VOLUME = CodedConcept("118565006", "SCT", "Volume")
NUMBER_OF_LESIONS = CodedConcept("246206008", "SCT", "Number of lesions")
IMAGING_PROCEDURE = CodedConcept("363679005", "SCT", "Imaging procedure")
ENTIRE_BODY = CodedConcept("38266002", "SCT", "Entire body")
PROBABILITY = CodedConcept("122157", "DCM", "Probability")
COMMENT = CodedConcept("121106", "DCM", "Comment")
MILLILITRE = CodedConcept("ml", "UCUM", "ml")
NO_UNITS = CodedConcept("1", "UCUM", "no units")
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")
VISUAL_EXPLANATION = {
    "occlusion": CodedConcept("130404", "DCM", "Saliency"),
    "smocam": CodedConcept("130402", "DCM", "Class activation"),
    "gradcam": CodedConcept("130403", "DCM", "Gradient-weighted class activation"),
}
ANY_EXPLANATION = CodedConcept("130401", "DCM", "Visual explanation")
_ABNORMAL = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
_LESION = CodedConcept("52988006", "SCT", "Lesion")


@dataclass(frozen=True)
class Meaning:
    """What a segment is: category and type of the finding, and where it lies (None: not said)."""

    category: CodedConcept
    kind: CodedConcept
    region: CodedConcept | None


def meaning_of(terminology: str) -> Meaning:
    """Return the codes of Slicer's serialised entry (`context~category~type~modifier~context~region~modifier`).

    A segment without terminology is a lesion, a morphologically abnormal structure.
    """
    parts = [*terminology.split("~"), *[""] * 7]
    return Meaning(_code(parts[1]) or _ABNORMAL, _code(parts[2]) or _LESION, _code(parts[5]))


def local(value: str, meaning: str) -> CodedConcept:
    """Return a code of our own; `value` of at most 16 characters, the meaning is cut to what DICOM takes."""
    return CodedConcept(value, LOCAL, meaning[:LONGEST])


def local_scheme() -> CodingSchemeIdentificationItem:
    """Return who is behind the local codes, as every object that uses them has to say."""
    return CodingSchemeIdentificationItem(LOCAL, name="LesionLens local codes", responsible_organization="LesionLens")


def algorithm(name: str, version: str, parameters: dict[str, str]) -> AlgorithmIdentificationSequence:
    """Return who found what is in an object: the network by name and version, and what else must be known of it."""
    return AlgorithmIdentificationSequence(
        name=name[:LONGEST], family=ARTIFICIAL_INTELLIGENCE, version=version, source="LesionLens", parameters=parameters
    )


def _code(text: str) -> CodedConcept | None:
    scheme, _, rest = text.partition("^")
    value, _, meaning = rest.partition("^")
    return CodedConcept(value, scheme, meaning[:LONGEST]) if scheme and value and meaning else None
