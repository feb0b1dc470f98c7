"""Recognise two images of one patient without keeping who it is."""

from __future__ import annotations

import hashlib


def hash_identity(text: str) -> str:
    """Return the SHA-256 of a patient's name or number, written in one way."""
    return hashlib.sha256(" ".join(text.lower().replace("^", " ").split()).encode()).hexdigest()
