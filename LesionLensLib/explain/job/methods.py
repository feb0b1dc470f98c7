"""From the name of a method to its map, all with the same question."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from LesionLensLib.explain.attention_maps import attention_map
from LesionLensLib.explain.feature_maps import feature_maps
from LesionLensLib.explain.gradcam import gradcam
from LesionLensLib.explain.job.begun import PROBABILITY, Begun
from LesionLensLib.explain.job.checked_occlusion import checked_anew, checked_at_a_sample
from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.job.region_of_interest import region_of_interest
from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.occlusion.cubes import Cubes, Mask
from LesionLensLib.explain.occlusion.map import OcclusionMap, occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.sigma import score_sigma
from LesionLensLib.explain.smocam import SmocamSettings, smocam
from LesionLensLib.inference.ladder import Tell
from LesionLensLib.inference.pet_ct_input import NORMALIZATIONS as PET_CT_INPUTS

DEFAULT_CUBE_MM = 8.0
# A pass over a whole brain takes more than a second: larger cubes, the more lesions the larger.
WHOLE_BRAIN_CUBES_MM, MOST_CUBES = (16.0, 24.0, 32.0), 160
# In z-scores 0 is the mean of the brain. In SUV and HU it is nothing like the body, and the mean of a field of view is
# nothing like air: seen with chmfl-sarcoma, cubes of empty air then had impacts of a third of the highest.
SCORES_FILL, PET_CT_FILL = "zero", "local-mean"

Method = Callable[[Begun, Tell], Explanation]


def explain_by_occlusion(begun: Begun, tell: Tell) -> Explanation:
    """Return how much the answer falls without each cube."""
    job = begun.job
    fill = PET_CT_FILL if begun.run.card.normalization in PET_CT_INPUTS else SCORES_FILL
    region = region_of_interest(begun)
    size_mm = job.size_mm or (DEFAULT_CUBE_MM if begun.fast is None else _whole_brain_cube_mm(begun, region))
    asked = OcclusionSettings(
        size_mm=size_mm, stride_mm=job.stride_mm, per_channel=job.per_channel, fill=job.fill or fill, region=region,
        halvings=job.coarse_to_fine,
    )  # fmt: skip
    found = occlusion_map(begun.fast or begun.question, asked, tell)
    checks = (checked_anew if begun.fast is None else checked_at_a_sample)(begun, asked, tell)
    return Explanation(
        values=found.total,
        name="Occlusion impact",
        unit=f"change of {begun.unit}",
        signed=True,
        sentence=occlusion_sentence(found, begun),
        by_role=found.by_role,
        settings={"size_mm": size_mm, "stride_mm": job.stride_mm, "fill": asked.fill, "cube_voxels": list(found.size),
                  "coarse_to_fine": job.coarse_to_fine},
        told={
            "cubes": found.cubes,
            "evaluation": found.method,
            "evaluation_because": found.plain_because,
            "noise": float(f"{found.noise:.3g}"),
            "silenced_cubes": found.silenced,
            **_refinement(found),
        },
        **checks,
    )  # fmt: skip


def explain_by_smocam(begun: Begun, tell: Tell) -> Explanation:
    """Return the smallest smooth mask of features with which the answer stays."""
    sigma = score_sigma(begun.run.card, begun.question.readout, begun.job.sigma)
    asked = SmocamSettings(layer=begun.job.layer, mode="paper" if begun.job.mode == "paper" else "preserving")
    found = smocam(begun.question, sigma, asked, tell)
    told = found.diagnostics.to_dict()
    return Explanation(
        values=found.map.array,
        name="SMOCAM mask",
        unit="weight of the features",
        signed=False,
        sentence=found.diagnostics.text,
        settings={key: told[key] for key in ("mode", "layer", "budget", "sigma", "mask_size")},
        told={key: told[key] for key in ("error_over_sigma", "norm", "loss_terms", "iterations", "extension")},
        make_map=lambda question: smocam(question, sigma, asked).map.array,
    )


def explain_by_gradcam(begun: Begun, tell: Tell) -> Explanation:
    """Return the features of a layer, each weighed by how much the answer rises with it."""
    tell(0.0, "one pass of the network, and back through its last part")
    name = begun.job.layer
    layer = asked_layers(begun.question, name)[0]
    found = gradcam(begun.question, name, signed=True)
    return Explanation(
        values=found.array,
        name="Grad-CAM",
        unit="weight of the features",
        signed=True,
        sentence=f"Grad-CAM of layer {layer.name} ({_by(layer.size)} voxels) for the {begun.answer_name}, "
        f"{_number(begun.question.answer, begun)}: positive where the features raise it.",
        settings={"layer": layer.name, "layer_size": list(layer.size)},
        make_map=lambda question: gradcam(question, name, signed=True).array,
    )


def explain_by_attention(begun: Begun, tell: Tell) -> Explanation:
    """Return what the networks attend to by themselves."""
    tell(0.0, "one pass of the network")
    found = attention_map(begun.question)
    return Explanation(
        values=found.map.array,
        name="Attention",
        unit="attention",
        signed=False,
        sentence=found.text,
        make_map=lambda question: attention_map(question).map.array,
    )


def explain_by_features(begun: Begun, tell: Tell) -> Explanation:
    """Return the mean features of every layer; the first, which is the finest, is the map."""
    tell(0.0, "one pass of the network")
    maps = feature_maps(begun.question)
    first = next(iter(maps))
    return Explanation(
        values=maps[first].array,
        name=f"Features, {first}",
        unit="mean of the features",
        signed=min(float(each.array.min()) for each in maps.values()) < 0,
        sentence=f"The map shows the mean features of {first}: what the network sees, not what it makes of it.",
        by_role={_in_file_name(name): each.array for name, each in maps.items()},
        settings={"layers": list(maps)},
        make_map=lambda question: feature_maps(question)[first].array,
    )


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "occlusion": explain_by_occlusion,
        "smocam": explain_by_smocam,
        "gradcam": explain_by_gradcam,
        "attention": explain_by_attention,
        "features": explain_by_features,
    }
)


def _in_file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text)


def _by(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _whole_brain_cube_mm(begun: Begun, region: Mask | None) -> float:
    """Return the smallest of the sides for whole brains with which there are not too many cubes in `region`."""
    counts = {mm: Cubes.on_grid(begun.question.grid, mm, region=region).count for mm in WHOLE_BRAIN_CUBES_MM}
    return next((mm for mm, count in counts.items() if count <= MOST_CUBES), WHOLE_BRAIN_CUBES_MM[-1])


def _refinement(found: OcclusionMap) -> dict[str, Any]:
    """Return how far a coarse-to-fine map was refined: what of the image was never looked at closely."""
    refined = found.refinement
    if refined is None:
        return {}
    share = float(np.count_nonzero(refined.whole)) / max(1, int(np.count_nonzero(found.covered)))
    largest = float(f"{refined.largest_whole:.6g}")
    return {"refinement": {"cubes": list(refined.cubes), "uncut_share": round(share, 6), "largest_uncut": largest}}


def occlusion_sentence(found: OcclusionMap, begun: Begun) -> str:
    """Return what the cubes do to the answer, how many of them nothing that could be told from rounding, and what was
    never looked at closely.
    """
    if not np.any(found.total):
        return f"No cube changes the {begun.answer_name} by more than rounding does."
    highest, lowest = float(found.total.max()), float(found.total.min())
    parts = []
    if highest > 0:
        parts.append(f"falls by up to {highest:.2g}")
    if lowest < 0:
        parts.append(f"rises by up to {-lowest:.2g}")
    what = f"Without a cube of the image the {begun.answer_name}, {_number(found.answer, begun)}, {' or '.join(parts)}."
    return f"{what}{_silence(found)}{_left_whole(found)}"


def _silence(found: OcclusionMap) -> str:
    if not found.silenced:
        return ""
    where = "in one of the maps at least " if found.by_role else ""
    return (
        f" {found.silenced} of {found.cubes} cubes change it {where}by no more than rounding does "
        f"({found.noise:.1g}): there it is shown as 0."
    )


def _left_whole(found: OcclusionMap) -> str:
    whole = _refinement(found).get("refinement", {}).get("uncut_share", 0.0)
    return "" if not whole else f" {100 * whole:.0f} % of the image were looked at in larger cubes only."


def _number(answer: float, begun: Begun) -> str:
    return f"{answer:.2f}" if begun.unit == PROBABILITY else f"{answer:.2f} {begun.unit}"
