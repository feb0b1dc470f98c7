"""Train one row of the table: the same recipe on every part, each finished part kept, so that a run can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from LesionLensLib.training.checkpoint import CHECKPOINT_FILE
from LesionLensLib.training.outcome.kind import ModelKind
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.predictions import BESIDE_FILE, PREDICTIONS_FILE, write_predictions
from LesionLensLib.training.outcome.trained_row import CaseT, RecipeT, TrainedRow
from LesionLensLib.training.team import ALONE, Team

# The seeds of the networks of one part lie this far apart.
_NEXT_MEMBER = 1000
Tell = Callable[[str, int], None]


@dataclass(frozen=True, eq=False)
class RowTraining(TrainedRow[RecipeT, CaseT]):
    """A row in training: what it leaves behind, and the `kind` of its model.

    `tell(text, steps)` hears how it goes and how many steps of the part are done. The processes of `team` share every
    batch, and all call `run`; the first one writes.
    """

    kind: ModelKind[RecipeT, CaseT]
    tell: Tell
    team: Team = ALONE

    def is_done(self, part: Part) -> bool:
        """Whether the part was trained and judged before."""
        return (self.folder / part.name / PREDICTIONS_FILE).exists()

    def run(self, part: Part) -> None:
        """Train the networks of a part and write what they say about its held-out cases; nothing where it is done."""
        if self.team.decide(lambda: self.is_done(part)):
            return
        learned = [self.cases[name] for name in part.train]
        for member in range(self.recipe.members):
            self._train_member(part, member, learned)
        if self.team.is_first:
            networks = self.networks(part)
            if part.beside:
                self._judge(networks, part, part.beside, BESIDE_FILE)
            # The held-out cases last: their file says that the part is done.
            self._judge(networks, part, part.test, PREDICTIONS_FILE)
        self.team.wait()

    def weights(self, part: Part) -> list[dict[str, Tensor]]:
        """Return the weights of the networks of a finished part."""
        return [load_file(self._file(part, member)) for member in range(self.recipe.members)]

    def networks(self, part: Part) -> list[nn.Module]:
        """Return the networks of a finished part."""
        networks = []
        for weights in self.weights(part):
            network = self.kind.make_network(self.recipe)
            network.load_state_dict(weights)
            networks.append(network.to(self.device))
        return networks

    def logs(self) -> list[Path]:
        """Return the folders with the training logs of all parts begun so far."""
        return sorted(path.parent for path in self.folder.glob("*/member-*/metrics.csv"))

    def _judge(self, networks: Sequence[nn.Module], part: Part, names: Sequence[str], file: str) -> None:
        said = self.kind.judge(networks, [self.cases[name] for name in names], self.recipe, self.device)
        write_predictions([replace(one, fold=part.fold) for one in said], self.folder / part.name / file)

    def _train_member(self, part: Part, member: int, learned: Sequence[CaseT]) -> None:
        path, work = self._file(part, member), self.folder / part.name / f"member-{member}"
        if not self.team.decide(path.exists):
            recipe = replace(self.recipe, seed=self.recipe.seed + _NEXT_MEMBER * member)
            before = member * self.kind.steps(recipe, len(learned))

            def tell(step: int, text: str) -> None:
                self.tell(f"{part.name}, {text}", before + step)

            weights = self.kind.train(recipe, learned, work, self.device, tell, self.team)
            if self.team.is_first:
                unfinished = path.with_suffix(".part")
                save_file({name: value.contiguous() for name, value in weights.items()}, unfinished)
                unfinished.replace(path)
        if self.team.is_first:
            (work / CHECKPOINT_FILE).unlink(missing_ok=True)

    def _file(self, part: Part, member: int) -> Path:
        return self.folder / part.name / f"member-{member}.safetensors"
