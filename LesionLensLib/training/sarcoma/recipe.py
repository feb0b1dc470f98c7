"""The recipe of an outcome training: one network, or a table of networks trained on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from LesionLensLib.errors import UserError
from LesionLensLib.inference.field_of_view import PAPER_BOX_MM, FieldOfView
from LesionLensLib.inference.pet_ct_input import NORMALIZATIONS
from LesionLensLib.networks.chmfl_variants import VARIANTS
from LesionLensLib.training.outcome.study_recipe import StudyRecipe
from LesionLensLib.training.precision import PRECISIONS
from LesionLensLib.training.sarcoma.augmentation import OutcomeAugmentation

TASK = "outcome"
SCHEDULES = ("constant", "cosine")
BASELINES = ("suvmax", "radiomics-pet", "radiomics-pet-ct", "radiomics-pet-t1")


@dataclass(frozen=True, kw_only=True)
class OutcomeRecipe(StudyRecipe):
    """How CHMFL is trained; the defaults are the paper's plain recipe (Peng et al., section II.E).

    That is Adam at a constant 1e-4, batches of one patient, 200 epochs of 40 patients, w = 0.5, 1 mm voxels, contrast
    normalisation and no augmentation. `network` is a name of `VARIANTS`, `options` are arguments of `CHMFL`.

    For `pretrain_steps` of the steps only the tumour's outline is learned (w = 1). `balanced` draws patients with and
    without the event in turn. `averaging` > 0 takes the running average of the weights. `views` mirrored copies of a
    case, up to 8, are averaged at prediction. The first row is shipped where `shipped` is not set.
    """

    NESTED: ClassVar[Mapping[str, type[Any]]] = {"augmentation": OutcomeAugmentation}

    task: str = TASK
    network: str = "chmfl"
    options: dict[str, Any] = field(default_factory=dict)
    spacing_mm: float = 1.0
    field_mm: tuple[float, float, float] = PAPER_BOX_MM
    normalization: str = "petct-contrast"
    w: float = 0.5
    reduction: str = "mean"
    dice_weight: float = 0.0
    pretrain_steps: int = 0
    steps: int = 8000
    balanced: bool = False
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: str = "constant"
    warm_up_steps: int = 0
    clip_norm: float = 0.0
    averaging: float = 0.0
    views: int = 1
    augmentation: OutcomeAugmentation = field(default_factory=OutcomeAugmentation)

    def __post_init__(self) -> None:
        self.check_names(
            task=(self.task, (TASK,)),
            network=(self.network, tuple(VARIANTS)),
            normalization=(self.normalization, tuple(NORMALIZATIONS)),
            schedule=(self.schedule, SCHEDULES),
            precision=(self.precision, PRECISIONS),
        )
        for baseline in self.baselines:
            self.check_names(baselines=(baseline, BASELINES))
        least = min(self.batch, self.members, self.accumulate)
        if not 0 <= self.w <= 1 or not 0 <= self.pretrain_steps <= self.steps or least < 1:
            raise UserError(
                "The recipe has a number that cannot be.",
                "w lies between 0 and 1, pretrain_steps between 0 and steps; batch, members and accumulate are 1 or "
                "more.",
            )
        if not 1 <= self.views <= 8:
            raise UserError(f"The recipe asks for {self.views} views of a case.", "There are 1 to 8: mirrored copies.")

    @property
    def roles(self) -> tuple[str, ...]:
        """The input channels of the network in order."""
        return VARIANTS[self.network].roles

    @property
    def network_options(self) -> dict[str, Any]:
        """The arguments of `CHMFL` in full."""
        return {**VARIANTS[self.network].options, **self.options}

    @property
    def has_decoder(self) -> bool:
        """Whether the network outlines the tumour."""
        return bool(self.network_options.get("decoder", True))

    @property
    def field_of_view(self) -> FieldOfView:
        """The box that the network sees."""
        return FieldOfView(self.field_mm, self.spacing_mm, 2 ** (int(self.network_options.get("levels", 5)) - 1))

    def weight_at(self, step: int) -> float:
        """Return w at `step`; 0 where the network has no decoder, 1 while only the outline is learned."""
        if not self.has_decoder:
            return 0.0
        return 1.0 if step < self.pretrain_steps else self.w

    @property
    def only_row(self) -> str:
        """What the row is called where the recipe names none."""
        return self.network
