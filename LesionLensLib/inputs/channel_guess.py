"""Guess from a file or node name and a series description which contrast an image is."""

from __future__ import annotations

import re
from collections.abc import Sequence

_START, _END = r"(?:^|(?<=[^a-z0-9]))", r"(?=$|[^a-z0-9])"
# More specific names come first: T2 FLAIR is a FLAIR, T1ce is no plain T1.
_KINDS = (
    ("lesion", r"(lesions?|seg|label|gt|consensus|mask)"),
    ("FLAIR", r"(t2[ _-]?)?(flair|fl|tirm|dark[ _-]?fluid)|t2f|[a-z]*flair"),
    ("PET", r"(pet|suv|fdg|pt)[a-z]*"),
    ("CT", r"(ct|ctres|ctac|low[ _-]?dose)"),
    ("T1", r"(t1(w|n|c|ce|gd|pre|post|ks|wks|wce|w?[ _-]?mprage)?|mprage|mp[ _-]?rage|bravo|spgr|fspgr|mpr|tfl)"),
    ("T2", r"t2(w|tse|fse|space)?"),
)
_PATTERNS = tuple((kind, re.compile(f"{_START}(?:{pattern}){_END}")) for kind, pattern in _KINDS)
_WITH_AGENT = r"t1(c|ce|gd|post|ks|wks|wce)|gd|gado[a-z]*|post|ce|c|km|contrast|enhanced|postcontrast|postgd"
_CONTRAST = re.compile(rf"{_START}(?:{_WITH_AGENT}){_END}|\+ ?c|c ?\+")
_WITHOUT_AGENT = r"(pre|no|non|without|w/?o|ohne)[ _-]?(contrast|gd|gado|km|post|c)?|unenhanced|nativ[a-z]*|t1pre|t1n"
_NO_CONTRAST = re.compile(f"{_START}(?:{_WITHOUT_AGENT}){_END}")
_ALIASES = {
    "t1": "T1", "t1w": "T1", "t2": "T2", "t2w": "T2", "flair": "FLAIR", "t1c": "T1c", "t1ce": "T1c", "t1post": "T1c",
    "t1gd": "T1c", "pet": "PET", "ct": "CT",
}  # fmt: skip


def suggest_role(name: str, description: str, roles: Sequence[str]) -> str | None:
    """Return the role among `roles` that `name`, or else `description`, points to; None where it is not clear.

    A contrast that the model does not use gives None (a T1 after contrast agent is not offered as T1).
    """
    wanted = {_ALIASES.get(role.lower(), role): role for role in roles}
    for text in (name, description):
        kind = recognise(text)
        if kind is not None:
            return wanted.get(kind)
    return None


def recognise(text: str) -> str | None:
    """Return the contrast a text names (T1, T1c, T2, FLAIR, PET, CT, lesion), or None for none or several."""
    plain = re.sub(r"\.(nii(\.gz)?|nrrd|mha|mhd|dcm)$", "", text.lower().strip())
    plain = re.sub(r"[_.:/\\-]+", " ", plain)
    found = [kind for kind, pattern in _PATTERNS if pattern.search(plain)]
    if "lesion" in found:
        return "lesion"
    if "FLAIR" in found and "T1" in found:
        # GE's "T1 FLAIR" is a T1; a T1 that was brought onto the FLAIR is not clear.
        found = ["T1"] if re.search(r"t1w? flair", plain) else found
    elif "FLAIR" in found:
        found = [kind for kind in found if kind != "T2"]
    if len(found) != 1:
        return None
    if found[0] == "T1" and _CONTRAST.search(plain) and not _NO_CONTRAST.search(plain):
        return "T1c"
    return found[0]
