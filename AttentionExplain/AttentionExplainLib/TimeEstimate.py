"""How long an explanation is likely to take here, from the last run of the same model, method and device.

The pace depends on model, images and computer, so it is measured and never guessed: before the first run there is no
estimate, and while one runs the program itself tells how much is left.
"""

import json
from typing import Any

import qt
from slicer.i18n import tr as _

SETTING = "LesionLens/ExplanationPace/{}/{}/{}"


def remember(model: str, asked: dict, report: dict) -> None:
    """Keep the pace of a run with the settings `asked` (method, device, sizeMm, strideMm, perChannel, checks)."""
    settings, result = report["settings"], report["result"]
    pace = {
        "seconds": report["timing"]["explain"] + report["timing"].get("sides", 0.0),
        "checks": report["timing"].get("judge", 0.0) if asked["checks"] else None,
        "asked": [asked["sizeMm"], asked["strideMm"]],
        "cubes": result.get("cubes"),
        "step_mm": settings.get("stride_mm") or settings.get("size_mm"),
        "passes": _passes(asked, len(report["settings"]["modalities"])),
    }
    qt.QSettings().setValue(_key(model, asked), json.dumps(pace))


def estimate(model: str, asked: dict, channels: int) -> str:
    """Return in a sentence how long it will take, or that this is not known yet."""
    pace = _read(_key(model, asked))
    seconds = None if pace is None else _seconds(pace, asked, channels)
    if seconds is None:
        return _("How long it takes is not known yet for this choice; the bar tells it while running.")
    return _("About {time}, by the last run of this model here.").format(time=inWords(seconds))


def inWords(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    if seconds < 5400:
        return _("{count} min").format(count=round(seconds / 60))
    return _("{count} h").format(count=f"{seconds / 3600:.1f}")


def _seconds(pace: dict, asked: dict, channels: int) -> float | None:
    """Scale the last times by the number of cubes, which grows with the third power of their density.

    The checks make the map several times anew, and so grow with it.
    """
    seconds, scale = pace["seconds"], 1.0
    if asked["checks"]:
        if pace["checks"] is None:
            return None
        seconds += pace["checks"]
    if pace["cubes"] is not None:
        scale = _passes(asked, channels) / pace["passes"]
        if [asked["sizeMm"], asked["strideMm"]] != pace["asked"]:
            step = asked["strideMm"] or asked["sizeMm"]
            if not step:
                return None  # the method's own size, which the last run had not
            scale *= (pace["step_mm"] / step) ** 3
    return float(seconds * scale)


def _passes(asked: dict, channels: int) -> int:
    return 1 + (channels if asked["perChannel"] else 0)


def _key(model: str, asked: dict) -> str:
    return SETTING.format(model, asked["method"], asked["device"].replace(":", ""))


def _read(key: str) -> Any:
    try:
        return json.loads(str(qt.QSettings().value(key, "") or "null"))
    except ValueError:  # settings are a file that anyone may edit
        return None
