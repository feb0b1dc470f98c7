"""The record of a result in plain words, from its images to what it rests on."""

import html
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from slicer.i18n import tr as _

from LesionLensLib.scene.provenance import chain_of, made_from

HASH_LETTERS = 16
SOFTWARE = {"python": "Python", "torch": "PyTorch", "numpy": "NumPy", "simpleitk": "SimpleITK", "slicer": "Slicer"}
METHODS = {
    "occlusion": _("occlusion"),
    "smocam": "SMOCAM",
    "gradcam": "Grad-CAM",
    "attention": _("attention maps"),
    "features": _("feature maps"),
}


def recordText(reportNode: Any) -> str:
    """Return rich text that says how the result of a report node was made, step by step."""
    reports = [(node, _read(node)) for node in chain_of(reportNode)]
    images = {role: text for node, report in reports for role, text in _imageTexts(node, report).items()}
    steps = [_listed(_("Images"), images.values())]
    steps += [_listed(_title(report), _facts(node, report)) for node, report in reports]
    return "<ol>" + "".join(f"<li>{step}</li>" for step in steps) + "</ol>"


def rolesOf(reportNode: Any) -> list[str]:
    """Return the roles of the images that a report names."""
    return [str(entry["role"]) for entry in _read(reportNode).get("inputs", ())]


def _read(node: Any) -> dict[str, Any]:
    try:
        report = json.loads(node.GetText() or "")
        return report if isinstance(report, dict) and isinstance(report.get("result"), dict) else {}
    except ValueError:  # a text node can be edited
        return {}


def _listed(title: str, facts: Iterable[str]) -> str:
    return f"<b>{html.escape(title)}</b>" + "".join(f"<br>{html.escape(fact)}" for fact in facts)


def _imageTexts(node: Any, report: Mapping[str, Any]) -> dict[str, str]:
    """Return for every image its role, the node it is in the scene, and the hash of what the program was given."""
    entries = report.get("inputs", ())
    nodes = made_from(node, [str(entry["role"]) for entry in entries]).images
    texts = {}
    for entry in entries:
        role = str(entry["role"])
        name = nodes[role].GetName() if role in nodes else _("no longer in the scene")
        text = _("{role}: {name}, SHA-256 {hash}")
        texts[role] = text.format(role=role, name=name, hash=_short(entry.get("sha256", "")))
    return texts


def _title(report: Mapping[str, Any]) -> str:
    result = report.get("result")
    if result is None or not report:
        return str(_("This report was changed and cannot be read any more"))
    if "method" in result:
        return str(_("Explanation by {method}").format(method=METHODS.get(result["method"], result["method"])))
    return str(_("Prediction") if "probability" in result else _("Segmentation"))


def _facts(node: Any, report: Mapping[str, Any]) -> list[str]:
    """Return what, with what, when and where, as lines of text."""
    if not report:
        return []
    model, tool = report["model"], report.get("tool", {})
    lines = [
        _("Model {id}, version {version}, weights SHA-256 {hash}").format(
            id=model["id"], version=model.get("version", "?"), hash=_short(model.get("sha256", ""))
        )
    ]
    if "created" in report:
        lines.append(_("Made on {date}").format(date=_date(report["created"])))
    if "device" in report:
        lines.append(_("On the device {device}, seed {seed}").format(device=report["device"], seed=report.get("seed")))
    known = {SOFTWARE[name]: version for name, version in report.get("environment", {}).items() if name in SOFTWARE}
    versions = [f"LesionLens {tool['version']}"] if "version" in tool else []
    versions += [f"{name} {version}" for name, version in known.items() if version]
    if versions:
        lines.append(_("With {versions}").format(versions=", ".join(versions)))
    return [*lines, *_settings(node, report), *_answer(report["result"])]


def _settings(node: Any, report: Mapping[str, Any]) -> list[str]:
    settings, made, lines = report.get("settings", {}), made_from(node, ()), []
    if "method" not in report["result"] and "threshold" in settings:
        text = _("Threshold {threshold}, smallest lesion {volume} ml")
        volume = settings.get("min_volume_ml", 0.0)
        lines.append(text.format(threshold=f"{settings['threshold']:g}", volume=f"{volume:g}"))
    if settings.get("size_mm"):
        text = _("Cubes of {size} mm, a step of {stride} mm")
        stride = settings.get("stride_mm") or settings["size_mm"]
        lines.append(text.format(size=f"{settings['size_mm']:g}", stride=f"{stride:g}"))
    registered = [role for role, one in settings.get("transforms", {}).items() if one["source"] != "headers"]
    if registered:
        lines.append(_("Aligned to the reference image: {roles}").format(roles=", ".join(registered)))
    for title, mask in ((_("Lesion"), made.lesion), (_("Brain mask"), made.brain_mask)):
        if mask is not None:
            lines.append(f"{title}: {mask.GetName()}")
    return lines


def _answer(result: Mapping[str, Any]) -> list[str]:
    if result.get("text"):
        return [str(result["text"])]
    if "lesion_count" not in result:
        return []
    text = _("Found: {count} lesions, {volume} ml in all")
    return [text.format(count=result["lesion_count"], volume=f"{result['lesion_volume_ml']:.2f}")]


def _short(sha256: str) -> str:
    """Return as much of a hash as people compare; the report node has the whole."""
    return f"{sha256[:HASH_LETTERS]}..." if len(sha256) > HASH_LETTERS else sha256


def _date(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M %z")
    except ValueError:
        return text
