"""Begin a training with the weights of an earlier one: a clip network, another task, another variant.

Big Transfer resets the classifier to zero, so that the first prediction is 0.5 for two classes whatever the image.
Only safetensors files are read: the other usual kind of checkpoint may run code when it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.training.clip_checkpoints import average_channels, fit_kernel, own_name

STEM = "stem.conv.weight"
HEADS = ("classifier.", "conv_seg.")
ATTENTIONS = ("cbam.", ".attention.")
COUNTER = "num_batches_tracked"
REMEDY = "Give a .safetensors file with the weights of a 3D ResNet."


@dataclass(frozen=True)
class Transfer:
    """Which tensors of the network came from the checkpoint, and which are as a new network has them."""

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]


def zero_head(network: ResNet3d) -> None:
    """Set the classifier to zero: every class is then equally probable for every image."""
    nn.init.zeros_(network.classifier.weight)
    nn.init.zeros_(network.classifier.bias)


def transfer_weights(
    network: ResNet3d, checkpoint: Path, average_stem: bool = True, other_norm: bool = False
) -> Transfer:
    """Load `checkpoint` into `network` and zero its head; attention that the checkpoint lacks stays as it is.

    `average_stem` averages the stem over the channels of the source, which is right wherever those mean something
    else (red, green, blue; other contrasts); False keeps them, for the same channels in the same order. `other_norm`
    permits a checkpoint with another normalisation, of which only the convolutions are then taken. Raises `UserError`
    where the file cannot be read or is of another network; `network` is then left as it was.
    """
    source = {own_name(name): tensor for name, tensor in _read(checkpoint).items()}
    source = {name: tensor for name, tensor in source.items() if not name.endswith(COUNTER)}
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    if STEM not in source:
        raise UserError(f"{checkpoint.name} holds no ResNet that LesionLens knows.", REMEDY)
    new = [*HEADS, *ATTENTIONS]
    if _has_batch_norm(source) != _has_batch_norm(wanted):
        _check_permitted(other_norm, _has_batch_norm(source), checkpoint.name)
        source = {name: tensor for name, tensor in source.items() if ".norm." not in name}
        new.append(".norm.")
    fitted = {
        name: _fitted(name, source[name], tensor, checkpoint.name, average_stem)
        for name, tensor in wanted.items()
        if name in source and not name.startswith(HEADS)
    }
    fresh = tuple(name for name in wanted if name not in fitted)
    _check_complete(source, wanted, [name for name in fresh if not any(part in name for part in new)], checkpoint.name)
    network.load_state_dict(fitted, strict=False)
    zero_head(network)
    return Transfer(tuple(fitted), fresh)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        raise UserError(
            f"{path.name} is not a safetensors file.",
            "Convert it to safetensors where you trust its origin: other checkpoints may run code when opened.",
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"The checkpoint {path.name} cannot be read.", REMEDY, str(error)) from error
    try:
        tensors: dict[str, Tensor] = load(content)
    except Exception as error:  # the parser raises its own type and several built-in ones for malformed bytes
        raise UserError(f"{path.name} is damaged or not a safetensors file.", REMEDY, repr(error)) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path.name} holds values that are not finite, in {name}.", "Use another checkpoint.")
    return tensors


def _has_batch_norm(tensors: dict[str, Tensor]) -> bool:
    return any(name.endswith("running_mean") for name in tensors)


def _fitted(name: str, source: Tensor, wanted: Tensor, file: str, average_stem: bool) -> Tensor:
    """Return `source` in the shape and type of `wanted`; raises `UserError` where that is no transfer."""
    fitted = source.to(wanted.dtype)
    if name.endswith("conv.weight") and fitted.dim() in (4, 5) and wanted.dim() == 5:
        fitted = fit_kernel(fitted, tuple(wanted.shape[2:]))
        if name == STEM and average_stem:
            fitted = average_channels(fitted, wanted.shape[1])
    if fitted.shape != wanted.shape:
        theirs, ours = (" x ".join(map(str, tensor.shape)) for tensor in (source, wanted))
        remedy = "Use a checkpoint of the same width and the same attention."
        if name == STEM:
            remedy = "Use a checkpoint of the same width, and average its stem where the number of channels differs."
        raise UserError(f"{file} is of another network: {name} is {theirs} there and {ours} here.", remedy)
    return fitted


def _check_permitted(other_norm: bool, batch_norm: bool, file: str) -> None:
    if not other_norm:
        raise UserError(
            f"{file} was trained with {'batch' if batch_norm else 'group'} normalisation, this network has the other.",
            'Choose the recipe it was trained with ("standard" or "bit"), or permit another normalisation.',
        )


def _check_complete(source: dict[str, Tensor], wanted: dict[str, Tensor], missing: list[str], file: str) -> None:
    """Raise `UserError` for tensors that only one of the two networks has."""
    remedy = "Use a checkpoint of a ResNet with as many layers and the same kind of attention."
    if missing:
        raise UserError(f"{file} is of another network: it lacks {missing[0]} ({len(missing)} tensors in all).", remedy)
    unused = sorted(name for name in source if name not in wanted and not name.startswith(HEADS))
    if unused:
        raise UserError(
            f"{file} is of another network: nothing here is called {unused[0]} ({len(unused)} tensors in all).", remedy
        )
