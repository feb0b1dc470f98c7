"""The recipe of an outcome training: one network, or a table of networks trained on the same folds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.inference.field_of_view import PAPER_BOX_MM, FieldOfView
from LesionLensLib.inference.pet_ct_input import NORMALIZATIONS
from LesionLensLib.networks.chmfl_variants import VARIANTS
from LesionLensLib.outcome.bootstrap import REPEATS
from LesionLensLib.training.outcome_folds import FOLDS
from LesionLensLib.training.sarcoma.augmentation import OutcomeAugmentation
from LesionLensLib.training.settings import checked_settings, read_settings

TASK = "outcome"
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("fp32", "bf16")
BASELINES = ("suvmax", "radiomics-pet", "radiomics-pet-ct", "radiomics-pet-t1")


@dataclass(frozen=True)
class OutcomeRecipe:
    """How CHMFL is trained; the defaults are the paper's plain recipe (Peng et al., section II.E).

    That is Adam at a constant 1e-4, batches of one patient, 200 epochs of 40 patients, w = 0.5, 1 mm voxels, contrast
    normalisation and no augmentation. `network` is a name of `VARIANTS`, `options` are arguments of `CHMFL`.

    For `pretrain_steps` of the steps only the tumour's outline is learned (w = 1). `balanced` draws patients with and
    without the event in turn. `averaging` > 0 takes the running average of the weights. `views` mirrored copies of a
    case, up to 8, are averaged at prediction; `members` networks of different seeds are. `rows` are named changes of
    these settings, each trained on the same folds; the one called `shipped`, the first by default, becomes the model,
    with the networks of the folds where `ship_folds`. `baselines` are rows without a network; `bootstrap` is how
    many draws stand behind an interval. `card` is what the model
    card says beyond what the training knows.
    """

    task: str = TASK
    network: str = "chmfl"
    options: dict[str, Any] = field(default_factory=dict)
    spacing_mm: float = 1.0
    field_mm: tuple[float, float, float] = PAPER_BOX_MM
    normalization: str = "petct-contrast"
    folds: int = FOLDS
    w: float = 0.5
    reduction: str = "mean"
    dice_weight: float = 0.0
    pretrain_steps: int = 0
    steps: int = 8000
    batch: int = 1
    balanced: bool = False
    precision: str = "fp32"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: str = "constant"
    warm_up_steps: int = 0
    clip_norm: float = 0.0
    averaging: float = 0.0
    views: int = 1
    members: int = 1
    seed: int = 0
    augmentation: OutcomeAugmentation = field(default_factory=OutcomeAugmentation)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    shipped: str = ""
    ship_folds: bool = True
    baselines: tuple[str, ...] = ()
    bootstrap: int = REPEATS
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("task", self.task, (TASK,)),
            ("network", self.network, tuple(VARIANTS)),
            ("normalization", self.normalization, tuple(NORMALIZATIONS)),
            ("schedule", self.schedule, SCHEDULES),
            ("precision", self.precision, PRECISIONS),
            ("shipped", self.shipped, ("", *self.rows)),
            *(("baselines", baseline, BASELINES) for baseline in self.baselines),
        ):
            if value not in known:
                raise UserError(f"The recipe's {name} is {value!r}.", f"Use one of: {', '.join(filter(None, known))}.")
        if not 0 <= self.w <= 1 or not 0 <= self.pretrain_steps <= self.steps or min(self.batch, self.members) < 1:
            raise UserError(
                "The recipe has a number that cannot be.",
                "w lies between 0 and 1, pretrain_steps between 0 and steps, batch and members are 1 or more.",
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

    def row_names(self) -> tuple[str, ...]:
        """Return the names of the rows that are networks, the shipped one first."""
        names = tuple(self.rows) or (self.network,)
        first = self.shipped or names[0]
        return (first, *(name for name in names if name != first))

    def row(self, name: str) -> OutcomeRecipe:
        """Return the recipe of one row alone."""
        changes = dict(self.rows.get(name, {}))
        where = f"row {name} of the recipe"
        for nested in ("augmentation", "options"):
            if nested in changes:
                changes[nested] = {**self.to_dict()[nested], **changes[nested]}
        values = _values({**changes}, where)
        return replace(self, **{**values, "rows": {}, "shipped": "", "baselines": ()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> OutcomeRecipe:
        """Rebuild a recipe; raises `UserError` for a setting that does not exist, in a row too."""
        recipe = cls(**_values(record, "recipe"))
        for name in recipe.rows:
            recipe.row(name)
        return recipe

    @classmethod
    def read(cls, path: Path) -> OutcomeRecipe:
        """Read a YAML recipe; raises `UserError` when it is missing or not a mapping of settings."""
        return cls.from_dict(read_settings(path))


def _values(record: dict[str, Any], where: str) -> dict[str, Any]:
    values = checked_settings(record, OutcomeRecipe, where)
    if "augmentation" in values and not isinstance(values["augmentation"], OutcomeAugmentation):
        settings = checked_settings(values["augmentation"], OutcomeAugmentation, f"augmentation of the {where}")
        values["augmentation"] = OutcomeAugmentation(**settings)
    return values
