"""The recipe of the brain model: one attention ResNet, or the table of its variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from LesionLensLib.errors import UserError
from LesionLensLib.inference.brain_lesion_input import NORMALIZATIONS, lesion_view
from LesionLensLib.inference.field_of_view import FieldOfView
from LesionLensLib.training.big_transfer import BASE_RATE, RULES, StepSchedule, make_schedule
from LesionLensLib.training.local_failure.augmentation import LesionAugmentation
from LesionLensLib.training.outcome.study_recipe import StudyRecipe
from LesionLensLib.training.precision import PRECISIONS

TASK = "outcome"
NETWORK = "resnet3d"
OPTIMIZERS = ("sgd", "adam")
BASELINES = ("volume", "truth")


@dataclass(frozen=True, kw_only=True)
class LocalFailureRecipe(StudyRecipe):
    """How an attention ResNet is trained (Jalalifar et al., IEEE JTEHM 2022; what they leave open is chosen).

    `options` are arguments of `ResNet3d`. `roles` are the channels beside the lesion's outline, which is the last one.
    `schedule` is a rule of `big_transfer`; "sgd" is Big Transfer's optimiser, "adam" learns faster from nothing.
    `mixup_alpha` 0 is the rule for small cohorts. `outline_dropout` of the examples show no outline, so that the
    network answers where only a point is known. `averaging` > 0 takes the running average of the weights; `views`
    mirrored copies, up to 8, are averaged at prediction. `checkpoint` names a .safetensors file to begin with: its
    stem is averaged over the channels, its head set to zero. The row with the best area on held-out lesions is shipped
    where `shipped` is not set.
    """

    NESTED: ClassVar[Mapping[str, type[Any]]] = {"augmentation": LesionAugmentation}

    task: str = TASK
    network: str = NETWORK
    options: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ("T1c", "FLAIR")
    spacing_mm: float = 1.0
    field_mm: tuple[float, float, float] = (96.0, 96.0, 96.0)
    normalization: str = NORMALIZATIONS[0]
    epochs: int = 300
    batch: int = 4
    balanced: bool = False
    optimizer: str = "sgd"
    schedule: str = "bit-scaled"
    learning_rate: float = BASE_RATE
    mixup_alpha: float = 0.0
    outline_dropout: float = 0.0
    clip_norm: float = 0.0
    averaging: float = 0.0
    views: int = 1
    checkpoint: str = ""
    augmentation: LesionAugmentation = field(default_factory=LesionAugmentation)

    def __post_init__(self) -> None:
        self.check_names(
            task=(self.task, (TASK,)),
            network=(self.network, (NETWORK,)),
            normalization=(self.normalization, NORMALIZATIONS),
            optimizer=(self.optimizer, OPTIMIZERS),
            schedule=(self.schedule, RULES),
            precision=(self.precision, PRECISIONS),
        )
        for baseline in self.baselines:
            self.check_names(baselines=(baseline, BASELINES))
        least = min(self.epochs, self.batch, self.members, self.accumulate)
        if least < 1 or self.mixup_alpha < 0 or not 0 <= self.outline_dropout < 1:
            raise UserError(
                "The recipe has a number that cannot be.",
                "epochs, batch, members and accumulate are 1 or more, mixup_alpha 0 or more, outline_dropout from 0 to "
                "below 1.",
            )
        if not 1 <= self.views <= 8:
            raise UserError(f"The recipe asks for {self.views} views of a case.", "There are 1 to 8: mirrored copies.")

    @property
    def reference_role(self) -> str:
        """The channel on whose grid lesions and boxes lie: the card's, else T1c."""
        return str(self.card.get("reference_role", "T1c"))

    @property
    def only_row(self) -> str:
        """What the row is called where the recipe names none."""
        return self.network

    @property
    def network_options(self) -> dict[str, Any]:
        """The arguments of `ResNet3d`; its channels are those of the recipe and the lesion's outline."""
        return {"in_channels": len(self.roles) + 1, "out_channels": 2, **self.options}

    @property
    def field_of_view(self) -> FieldOfView:
        """The box that the network sees."""
        return lesion_view(self.field_mm, self.spacing_mm)

    def schedule_for(self, examples: int) -> StepSchedule:
        """Return learning rate and end of a training on so many lesions."""
        return make_schedule(self.schedule, examples, self.batch, self.epochs, self.learning_rate)
