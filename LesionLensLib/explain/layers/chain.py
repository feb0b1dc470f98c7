"""Networks whose layers follow one another: what reaches the output passes through every layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from LesionLensLib.explain.layers.cut import Cut, Layer
from LesionLensLib.explain.layers.placement import Triple
from LesionLensLib.explain.layers.spatial import Spot, UnknownPlace, overwrites_input
from LesionLensLib.networks.resnet3d import ResNet3d

Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Link:
    """One step of a chain, and where its output lies; `spot` is None behind the last layer that can be shown."""

    name: str
    step: Step
    spot: Spot | None


def resnet_layers(network: ResNet3d, size: Triple) -> tuple[Layer, ...]:
    """Return the stem and every residual block of `network` for images of `size` (D, H, W)."""
    spot = Spot(size).after(7, 2, 3).after(3, 2, 1)
    links = [Link("stem", network.stem_features, spot)]
    for number, stage in enumerate(network.stages, start=1):
        spot = spot if number == 1 else spot.after(3, 2, 1)
        blocks = list(stage.children())
        for place, block in enumerate(blocks, start=1):
            name = f"stage {number}" if place == len(blocks) else f"stage {number} block {place}"
            links.append(Link(name, block, spot))
    return _layers([*links, Link("head", network.head, None)])


def stack_layers(network: nn.Module, size: Triple) -> tuple[Layer, ...]:
    """Return the layers of an `nn.Sequential`, or of a network that is its `stages` one after another, then `head`.

    Only layers whose place in the image is known count, and none whose output the next one overwrites. Empty for any
    other network.
    """
    if isinstance(network, nn.Sequential):
        parts: list[tuple[str, Step]] = [(f"layer {n}", part) for n, part in enumerate(network, start=1)]
    elif isinstance(getattr(network, "stages", None), nn.ModuleList) and callable(getattr(network, "head", None)):
        parts = [(f"block {n}", stage) for n, stage in enumerate(network.stages, start=1)]  # type: ignore[arg-type]
        parts.append(("head", network.head))  # type: ignore[arg-type]
    else:
        return ()
    return _layers(list(_placed(parts, Spot(size))))


def _placed(parts: Sequence[tuple[str, Step]], spot: Spot | None) -> Iterator[Link]:
    for number, (name, part) in enumerate(parts):
        try:
            spot = spot.behind(part) if spot is not None and isinstance(part, nn.Module) else None
        except UnknownPlace:
            spot = None
        following = parts[number + 1][1] if number + 1 < len(parts) else None
        overwritten = isinstance(following, nn.Module) and overwrites_input(following)
        yield Link(name, part, None if overwritten or following is None else spot)


def _layers(links: Sequence[Link]) -> tuple[Layer, ...]:
    return tuple(
        Layer(link.name, link.spot.size, link.spot.placement, _cut_behind(links, number))
        for number, link in enumerate(links)
        if link.spot is not None
    )


def _cut_behind(links: Sequence[Link], number: int) -> Callable[[Tensor], Cut]:
    before, behind = links[: number + 1], links[number + 1 :]

    def tail(features: Sequence[Tensor]) -> Tensor:
        return _run(behind, features[0])

    return lambda images: Cut((_run(before, images),), tail)


def _run(links: Sequence[Link], x: Tensor) -> Tensor:
    for link in links:
        x = link.step(x)
    return x
