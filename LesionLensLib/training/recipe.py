"""A training recipe: every choice that made a set of weights, in one frozen, serialisable value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.training.augmentation import AugmentationRange
from LesionLensLib.training.contrast_synthesis import SynthesisRange
from LesionLensLib.training.planting import PlantingRange
from LesionLensLib.training.precision import PRECISIONS
from LesionLensLib.training.settings import checked_settings, read_settings

_NESTED: dict[str, type[Any]] = {
    "planting": PlantingRange,
    "augmentation": AugmentationRange,
    "synthesis": SynthesisRange,
}


@dataclass(frozen=True)
class Recipe:
    """How RSANet is trained (Zhang et al. 2019, section 3.1, adapted to one labelled patient).

    The paper: Adam, learning rate 1e-3, weight decay 1e-5, batch 4, 800 optimiser steps. `crop` is (D, H, W) voxels of
    1 mm; `batches_per_volume` batches are cut from each changed volume, since on a CPU changing one takes as long as a
    step. `lesion_crop_chance` of all crops are centred on a lesion voxel. `real_share` of all volumes are the really
    labelled patients, the rest are planted; before `labelled_from_step` their brains are kept out altogether, so
    that they show what the simulation alone has taught. `held_out_outlines` are never planted, they watch the training;
    `phantom_volumes` digital phantoms join them. `dice_weight` 0 is the loss of the paper alone. `final_steps` more
    steps see larger crops, because at inference attention and normalisation see the whole brain. `brain_steps` trains
    the network that finds the brain, on `phantom_heads` digital phantoms beside the real heads. With `start_from`, a
    model folder beside the output folder, both networks begin with its weights, and the brain network stays as it is.
    `volumes_per_step` such batches of crops together are the batch of a step, which `accumulate` passes share, so that
    less memory is needed; both processes and passes get whole crops.
    `card` is what the model card says beyond what the training itself knows; what it leaves out, the card of the model
    to start from says.
    """

    base_width: int = 16
    attention: str = "111"
    kind: str = "rsa"
    dropout: float = 0.0
    steps: int = 1600
    precision: str = "bf16"
    crops_per_volume: int = 4
    crop: tuple[int, int, int] = (48, 64, 48)
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    warm_up_steps: int = 50
    loss_reading: str = "intent"
    lesion_share: float = 0.01
    dice_weight: float = 1.0
    batches_per_volume: int = 1
    lesion_crop_chance: float = 0.6
    real_share: float = 0.3
    labelled_from_step: int = 0
    planted_per_brain: int = 10
    phantom_volumes: int = 0
    averaging: float = 0.99
    held_out_outlines: tuple[str, ...] = ("lj_p05", "lj_p13", "lj_p21", "lj_p28")
    final_steps: int = 0
    final_crops_per_volume: int = 2
    final_crop: tuple[int, int, int] = (80, 96, 80)
    final_learning_rate: float = 5e-4
    seed: int = 0
    brain_steps: int = 600
    phantom_heads: int = 3
    start_from: str = ""
    accumulate: int = 1
    volumes_per_step: int = 1
    card: dict[str, Any] = field(default_factory=dict)
    planting: PlantingRange = field(default_factory=PlantingRange)
    augmentation: AugmentationRange = field(default_factory=AugmentationRange)
    synthesis: SynthesisRange = field(default_factory=SynthesisRange)

    def __post_init__(self) -> None:
        if self.precision == "fp16":
            raise UserError(
                "RSANet cannot train in fp16: its attention adds up products beyond the largest number of fp16.",
                "Use precision bf16 or fp32.",
            )
        if self.precision not in PRECISIONS:
            raise UserError(f"The recipe's precision is {self.precision!r}.", "Use one of: fp32, bf16.")
        if min(self.accumulate, self.volumes_per_step) < 1:
            message = "The recipe has a number that cannot be."
            raise UserError(message, "accumulate and volumes_per_step are 1 or more.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML and JSON."""
        return asdict(self)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """How many crops one step learns from, in each of its stages."""
        crops = (self.crops_per_volume, *([self.final_crops_per_volume] if self.final_steps else []))
        return tuple(number * self.volumes_per_step for number in crops)

    @property
    def all_steps(self) -> int:
        """The steps of both stages."""
        return self.steps + self.final_steps

    def crops_at(self, step: int) -> tuple[int, tuple[int, int, int]]:
        """Return how many crops of which size (D, H, W) the batch of `step` holds."""
        if step < self.steps:
            return self.crops_per_volume, self.crop
        return self.final_crops_per_volume, self.final_crop

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Recipe:
        """Rebuild a recipe; raises `UserError` for a setting that does not exist."""
        values = dict(record)
        for name, kind in _NESTED.items():
            if name in values:
                values[name] = kind(**checked_settings(values[name], kind, name))
        return cls(**checked_settings(values, cls, "recipe"))

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a YAML recipe; raises `UserError` when it is missing or not a mapping of settings."""
        return cls.from_dict(read_settings(path))
