"""Exact occlusion of CHMFL: only the cells that a cube can change are computed again.

The outcome needs no decoder; branches that do not see an occluded channel stay as they are; the maxima over the rest
of each level are looked up; and the first fully connected layer gets what changed of its input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.explain.occlusion.chmfl_branch import Change, OccludedBranch
from LesionLensLib.explain.occlusion.chmfl_head import ChangedHead
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Starts
from LesionLensLib.explain.occlusion.occluder import Channels, Unsupported, portions
from LesionLensLib.explain.question import Question
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.chmfl_blocks import Branch
from LesionLensLib.outcome.outcomes import Floats

PATCH_BYTES = 1 << 23
"""Size of the first level's patches that are computed together; more leave the caches, fewer cost calls."""
KIND_BYTES = 1 << 19
"""Size of those below which it does not pay to treat cubes of one offset by themselves."""
BATCH_BYTES = 1 << 27
"""Size of those of a batch, which share one pass over the weights of a flattened level."""
ROWS_AT_ONCE = 512
"""So many cubes go through the last layers together, for the same reason."""
MOST_CUBES = 8192
FEWEST_CUBES = 512

Part = tuple[int, Channels]
"""A branch and those of its channels that are occluded."""


class ChmflOccluder:
    """`network` asked for the risk of `question`, with everything kept that its unoccluded image gives.

    Raises `Unsupported` for a network in which a cube changes everything.
    """

    def __init__(self, question: Question, network: CHMFL, cover: Cover) -> None:
        if network.dims != 3:
            raise Unsupported("it is two-dimensional")
        if any(parameter.dtype != torch.float32 for parameter in network.parameters()):
            raise Unsupported("its weights are not float32")
        self.cover, self.readout = cover, question.readout
        self.inputs = network.inputs
        encoders = [each for each in network.branches if isinstance(each, Branch)]
        encoders *= len(network.inputs) // len(encoders)
        with torch.inference_mode():
            self.branches = [
                OccludedBranch(encoder, cover.image[:, list(inputs)])
                for encoder, inputs in zip(encoders, network.inputs, strict=True)
            ]
            self.responses = [branch.responses(cover.size) for branch in self.branches]
            self.head = ChangedHead(network.head, self.branches)
            self.base = float(self._score(self.head.sums.new_zeros(1, 1))[0])

    def batches(self, starts: Starts) -> list[Starts]:
        """Return the cubes ordered by their offset to the deepest level's blocks, enough at a time for full layers."""
        order = np.lexsort((starts % self.branches[0].multiple).T)
        return portions(order, min(MOST_CUBES, max(FEWEST_CUBES, len(starts) // 16), self._fitting(BATCH_BYTES)))

    @torch.inference_mode()
    def scores(self, starts: Starts, subsets: Sequence[Channels]) -> Floats:
        """Return the scores (S, B)."""
        wanted = [self._parts(channels) for channels in subsets]
        changes: dict[Part, list[tuple[Tensor, Change]]] = {part: [] for parts in wanted for part in parts}
        for numbers in self._alike(starts):
            first = self.cover.first_voxels(starts[numbers])
            differences = self.cover.differences(starts[numbers])
            indices = torch.from_numpy(numbers).to(first.device)
            for part, found in changes.items():
                self._add_change(found, part, indices, first, differences)
        added = {part: self.head.added(part[0], found, len(starts)) for part, found in changes.items()}
        return np.stack([self._scored([added[part] for part in parts], len(starts)) for parts in wanted])

    def _scored(self, added: Sequence[Tensor], cubes: int) -> Floats:
        """Return the scores (cubes,) with all of `added` (cubes, hidden) to the sums of the first layer."""
        scores = np.full(cubes, self.base)
        for low in range(0, cubes if added else 0, ROWS_AT_ONCE):
            rows = slice(low, low + ROWS_AT_ONCE)
            together = added[0][rows] if len(added) == 1 else torch.stack([each[rows] for each in added]).sum(0)
            # The same sum in a batch of another size may differ in its last place: no change shall give no difference.
            moved = together.any(1).cpu().numpy()
            scores[rows] = np.where(moved, self._score(together), self.base)
        return scores

    def _add_change(
        self, found: list[tuple[Tensor, Change]], part: Part, numbers: Tensor, first: Tensor, differences: Tensor
    ) -> None:
        """Append what the cubes change in a branch; those that already are as their fill change nothing."""
        branch, channels = part
        inputs = self.inputs[branch]
        seen = differences[:, list(inputs)]
        seen[:, [number for number, channel in enumerate(inputs) if channel not in channels]] = 0
        moved = seen.flatten(1).any(1)
        if not bool(moved.all()):
            numbers, first, seen = numbers[moved], first[moved], seen[moved]
        if len(numbers):
            found.append((numbers, self.branches[branch].change(seen, first, self.responses[branch])))

    def _parts(self, channels: Channels) -> list[Part]:
        """Return the branches that see some of `channels`, each with those it sees."""
        seen = [(number, tuple(c for c in inputs if c in channels)) for number, inputs in enumerate(self.inputs)]
        return [part for part in seen if part[1]]

    def _alike(self, starts: Starts) -> Iterator[Starts]:
        """Yield the numbers of cubes at like offsets, as many as stay in the cache.

        The offsets are told apart as finely as leaves enough cubes of a kind to outweigh the calls they cost.
        """
        multiple = self.branches[0].multiple
        while True:
            _, kinds = np.unique(starts % multiple, axis=0, return_inverse=True)
            kinds = kinds.ravel()
            if multiple == 1 or len(starts) >= (int(kinds.max()) + 1) * self._fitting(KIND_BYTES):
                break
            multiple //= 2
        for kind in range(int(kinds.max()) + 1):
            yield from portions(np.flatnonzero(kinds == kind), self._fitting(PATCH_BYTES))

    def _fitting(self, size: int) -> int:
        return max(1, size // (4 * self.branches[0].cells_of(self.cover.size)))

    def _score(self, added: Tensor) -> Floats:
        scores: Floats = self.readout.score(self.head.logits(added)).cpu().numpy()
        return scores
