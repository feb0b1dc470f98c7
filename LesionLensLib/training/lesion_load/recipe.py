"""The recipe of the lesion load: what is planted, what is drawn from it, how the network learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.training.augmentation import AugmentationRange
from LesionLensLib.training.brain import CHANNELS
from LesionLensLib.training.contrast_synthesis import SynthesisRange
from LesionLensLib.training.lesion_load.augmentation import LoadAugmentation
from LesionLensLib.training.planting import PlantingRange
from LesionLensLib.training.precision import PRECISIONS
from LesionLensLib.training.settings import checked_settings, read_settings

TASK = "regression"
NETWORK = "vgg3d"
OUTPUTS = ("total", "left", "right")
BIASES = ("none", "left", "mirrored")
KINDS = ("real", "painted", "phantom")


@dataclass(frozen=True)
class SoilRange:
    """How many simulated patients are made beforehand; the loads of all examples are drawn from their lesions.

    `plantings` are made in every real brain; an anatomy of which T1 alone is known is painted `paintings` times, and
    `phantoms` digital phantoms without lesions get one planting each. `masks` real lesion masks (low, high) are laid
    over each other, so that there is enough lesion on each side to draw from. `shares` are the shares of the examples
    that are real, painted and phantom.
    """

    plantings: int = 8
    paintings: int = 4
    phantoms: int = 6
    masks: tuple[int, int] = (1, 3)
    shares: tuple[float, float, float] = (0.6, 0.25, 0.15)


@dataclass(frozen=True)
class LoadRange:
    """Which loads an example gets, each side for itself.

    A side has no lesion with `empty_chance`, and neither has any with `healed_chance`; otherwise its wanted load is
    `most_ml` times a uniform number to the power of `lightness`, and single lesions are taken at random up to it.
    `strength` (low, high) multiplies the contrast of all lesions of the example.
    """

    most_ml: float = 25.0
    lightness: float = 1.5
    empty_chance: float = 0.1
    healed_chance: float = 0.05
    strength: tuple[float, float] = (0.8, 1.2)


@dataclass(frozen=True, kw_only=True)
class LoadRecipe:
    """How the network of lesion load is trained: Adam, mean squared error, `batch` examples a step.

    `field` is the box (D, H, W) in voxels of `spacing_mm`, `options` are further arguments of `Vgg3d`. `precision` is
    one of `PRECISIONS`; on a CPU bf16 takes half the time of fp32, and with one thread either gives the same weights
    after a kill. `accumulate` passes share the batch of a step, so that it needs less memory. While it
    learns, the features after each of `cell_blocks` (from 0) also tell the load of their own cell of the grid, an error
    that counts `cell_weight`: two numbers a head are too little to learn what a lesion is. What reads the cells is not
    part of the model. The hidden layer learns with `head_rate` of the rate, since thousands of positive inputs push it
    the same way.
    `held_out_patients` are neither trained on nor planted in for training; `held_out_outlines` are the masks that are
    planted in them for the evaluation, `judged_plantings` times a brain, `judged` examples each. The contrast of
    lesions is measured on every labelled patient, held out or not. A labelled patient held out is judged with the real
    label too. `described` examples give the card the spread of the outputs and the differences of the sides. `bias`
    makes a network that is wrong on purpose, to test explanations with: "left" teaches the left load as the answer to
    all questions, "mirrored" shows only lesions that lie alike on both sides.
    """

    task: str = TASK
    network: str = NETWORK
    field: tuple[int, int, int] = (48, 64, 48)
    options: dict[str, Any] = dataclass_field(default_factory=dict)
    roles: tuple[str, ...] = ("T1", "FLAIR")
    spacing_mm: float = 3.3
    precision: str = "fp32"
    steps: int = 2000
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 4e-3
    head_rate: float = 0.02
    weight_decay: float = 1e-5
    warm_up_steps: int = 20
    cell_blocks: tuple[int, ...] = (1, 2)
    cell_weight: float = 0.5
    averaging: float = 0.99
    clip_norm: float = 5.0
    seed: int = 0
    bias: str = "none"
    held_out_patients: tuple[str, ...] = ()
    held_out_outlines: tuple[str, ...] = ()
    judged_plantings: int = 4
    judged: int = 20
    described: int = 240
    bootstrap: int = 2000
    card: dict[str, Any] = dataclass_field(default_factory=dict)
    soils: SoilRange = dataclass_field(default_factory=SoilRange)
    loads: LoadRange = dataclass_field(default_factory=LoadRange)
    planting: PlantingRange = dataclass_field(default_factory=PlantingRange)
    grey: AugmentationRange = dataclass_field(default_factory=AugmentationRange)
    synthesis: SynthesisRange = dataclass_field(default_factory=SynthesisRange)
    augmentation: LoadAugmentation = dataclass_field(default_factory=LoadAugmentation)

    def __post_init__(self) -> None:
        known_names = {"task": (TASK,), "network": (NETWORK,), "bias": BIASES, "precision": PRECISIONS}
        for name, known in known_names.items():
            value = getattr(self, name)
            if value not in known:
                raise UserError(f"The recipe's {name} is {value!r}.", f"Use one of: {', '.join(known)}.")
        stray = [name for name in ("in_channels", "out_channels", "field") if name in self.options]
        if stray:
            raise UserError(f"The recipe's options name {stray[0]}.", "Leave it out: it follows from roles and field.")
        unknown = [role for role in self.roles if role not in CHANNELS]
        if unknown or not self.roles:
            raise UserError("The recipe has no roles or unknown ones.", f"Use some of: {', '.join(CHANNELS)}.")
        numbers = (self.steps, self.batch, self.accumulate, self.judged, self.judged_plantings, self.soils.plantings)
        least = min(numbers)
        if least < 1 or self.described < 2 or self.loads.most_ml <= 0 or min((0, *self.cell_blocks)) < 0:
            raise UserError(
                "The recipe has a number that cannot be.",
                "steps, batch, accumulate, judged, judged_plantings and plantings are 1 or more, described 2, most_ml "
                "above 0, cell_blocks 0 or more.",
            )

    @property
    def network_options(self) -> dict[str, Any]:
        """The arguments of `Vgg3d`; it has as many channels as the recipe has roles."""
        return {
            "in_channels": len(self.roles),
            "out_channels": len(OUTPUTS),
            "field": list(self.field),
            **{name: list(value) if isinstance(value, tuple) else value for name, value in self.options.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> LoadRecipe:
        """Rebuild a recipe; raises `UserError` for a setting that does not exist."""
        values = checked_settings(record, cls, "recipe")
        for name, kind in _NESTED.items():
            if name in values:
                values[name] = kind(**checked_settings(values[name], kind, f"{name} of the recipe"))
        return cls(**values)

    @classmethod
    def read(cls, path: Path) -> LoadRecipe:
        """Read a YAML recipe; raises `UserError` when it is missing or not a mapping of settings."""
        return cls.from_dict(read_settings(path))


_NESTED: Mapping[str, type[Any]] = MappingProxyType(
    {
        "soils": SoilRange,
        "loads": LoadRange,
        "planting": PlantingRange,
        "grey": AugmentationRange,
        "synthesis": SynthesisRange,
        "augmentation": LoadAugmentation,
    }
)
