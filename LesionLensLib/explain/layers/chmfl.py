"""The levels of CHMFL: each feeds both the pooled vector of the head and the next level, branch by branch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from LesionLensLib.explain.layers.cut import Cut, Layer, Output
from LesionLensLib.explain.layers.placement import Triple
from LesionLensLib.explain.layers.spatial import Spot
from LesionLensLib.networks.chmfl import CHMFL, ChmflOutput
from LesionLensLib.networks.chmfl_blocks import Branch

INPUT_KERNEL = 5


def chmfl_layers(network: CHMFL, size: Triple, roles: Sequence[str] = (), outline: bool = True) -> tuple[Layer, ...]:
    """Return every level of all branches together, and where there are several branches of each of them alone.

    `size` is that of the images (D, H, W), `roles` name their channels. Without `outline` the tail answers for the
    outcome only, like `CHMFL.outcome_logits`.
    """
    spot, layers = Spot(size).after(INPUT_KERNEL, 1, INPUT_KERNEL // 2), []
    branches = tuple(range(len(network.inputs)))
    for level in range(network.multiple.bit_length()):
        spot = spot if level == 0 else spot.after(2, 2, 0)
        chosen = {f"level {level + 1}": branches}
        if len(branches) > 1:
            chosen |= {f"level {level + 1} of {_branch_name(network, n, roles)}": (n,) for n in branches}
        for name, own in chosen.items():
            cut = _CutAtLevel(network, level, own, outline)
            layers.append(Layer(name, spot.size, spot.placement, cut, own == branches))
    return tuple(layers)


def branch_encoders(network: CHMFL) -> list[list[nn.Module]]:
    """Return the levels of the encoder of each branch; shared encoders come more than once."""
    encoders = [list(encoder.levels) for encoder in network.branches if isinstance(encoder, Branch)]
    return encoders * (len(network.inputs) if len(encoders) == 1 else 1)


def _branch_name(network: CHMFL, branch: int, roles: Sequence[str]) -> str:
    channels = network.inputs[branch]
    if roles:
        return " + ".join(roles[channel] for channel in channels)
    return f"branch {branch + 1}"


class _CutAtLevel:
    """Stops the `own` branches at `level`; what the others and the shallower levels give is kept for the tail."""

    def __init__(self, network: CHMFL, level: int, own: Sequence[int], outline: bool) -> None:
        self.network, self.level, self.own = network, level, tuple(own)
        self.outline = outline and network.decoder is not None

    def __call__(self, images: Tensor) -> Cut:
        self.network.check_input(images)
        encoders = branch_encoders(self.network)
        kept = []
        for number, (levels, inputs) in enumerate(zip(encoders, self.network.inputs, strict=True)):
            last = self.level + 1 if number in self.own else len(levels)
            kept.append(_climb(levels[:last], images[:, list(inputs)]))

        # The head alone takes the maximum of a level that nothing else is made of: it is taken once.
        context = kept if self.outline else [[*map(_highest, maps[:-1]), maps[-1]] for maps in kept]

        def tail(features: Sequence[Tensor]) -> Output:
            pyramids = list(context)
            for number, own in zip(self.own, features, strict=True):
                above = context[number][: self.level]
                pyramids[number] = [*above, own, *_climb(encoders[number][self.level + 1 :], own)]
            return self._answer(pyramids)

        return Cut(tuple(kept[number][self.level] for number in self.own), tail)

    def _answer(self, pyramids: Sequence[Sequence[Tensor]]) -> Output:
        levels = list(zip(*pyramids, strict=True))
        outcome = self.network.head(levels)
        if not self.outline or self.network.decoder is None:
            return ChmflOutput(outcome, None)
        return ChmflOutput(outcome, self.network.decoder(levels))


def _climb(levels: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
    features = []
    for level in levels:
        x = level(x)
        features.append(x)
    return features


def _highest(features: Tensor) -> Tensor:
    return features.amax((2, 3, 4), keepdim=True)
