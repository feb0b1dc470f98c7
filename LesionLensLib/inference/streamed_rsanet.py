"""RSANet evaluated over a whole volume in slabs: several times faster than the plain module on a CPU, and much leaner.

GroupNorm and the attention see the whole volume, so that the answer is that of the plain module. Four things make the
difference, none of which changes the function: every layer runs slab by slab in the cache; normalisation and ReLU are
applied while the next layer reads; a level keeps one feature volume, overwritten in place behind the reader (nothing is
concatenated, skips live in the same memory); and the last two convolutions, with no non-linearity between, become one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from LesionLensLib.inference.fast_slice_attention import FastSliceAttention
from LesionLensLib.inference.planes import (
    SLAB_BYTES,
    ChannelMoments,
    as_planes,
    as_volume,
    convolve,
    slab_depth,
    zero_padded,
)
from LesionLensLib.inference.workers import Workers, contiguous_chunks
from LesionLensLib.networks.rsanet import LEVELS, RSANet
from LesionLensLib.networks.slice_attention import SliceAttention
from LesionLensLib.networks.unet_blocks import ConvNormRelu, Upsample

Slab = tuple[int, int]
"""Planes low to high, high excluded."""

Reader = Callable[[int, int], Tensor]
"""Returns planes [low, high) of a layer's input; planes outside the volume are zero."""


@dataclass(frozen=True)
class PackedBlock:
    """Weights of one convolution - GroupNorm - ReLU, ready for channels-last data."""

    kernel: Tensor
    weight: Tensor
    bias: Tensor
    groups: int
    epsilon: float


@dataclass(frozen=True)
class Raw:
    """A convolution's output (D, H, W, C) whose normalisation and ReLU are still to be applied."""

    planes: Tensor
    mean: Tensor
    variance: Tensor
    block: PackedBlock

    def activated(self, low: int, high: int) -> Tensor:
        """Return planes [low, high), normalised and rectified."""
        part = as_volume(self.planes[low:high])
        block = self.block
        normed = batch_norm(part, self.mean, self.variance, block.weight, block.bias, False, 0.0, block.epsilon)
        return as_planes(normed.relu_())

    def read(self, low: int, high: int) -> Tensor:
        """A `Reader` of the activated planes."""
        depth = self.planes.shape[0]
        inside = self.activated(max(low, 0), min(high, depth))
        return zero_padded(inside, max(-low, 0), max(high - depth, 0))


def can_stream(net: nn.Module) -> TypeGuard[RSANet]:
    """Tell whether `StreamedRSANet` can evaluate `net`."""
    return isinstance(net, RSANet) and net.classifier.out_channels == 2


class StreamedRSANet:
    """Callable form of an `RSANet` with two output classes, for inference only.

    Features are stored as `dtype` (float32 or bfloat16), statistics and attention maps are float32. `slab_bytes` trades
    memory for nothing else: the answer depends on it by rounding only.
    """

    def __init__(
        self, net: RSANet, dtype: torch.dtype = torch.float32, workers: int = 1, slab_bytes: int = SLAB_BYTES
    ) -> None:
        if not can_stream(net):
            raise ValueError("the streamed pass returns the probability of one class against another")
        self.dtype = dtype
        self.workers = Workers(workers)
        self.slab_bytes = slab_bytes
        self.stem = self._kernel(net.stem.weight)
        self.encoder = [self._pack(level) for level in net.encoder]
        self.down = [self._kernel(cast(nn.Conv3d, layer).weight) for layer in net.down]
        self.centre = self._pack(net.centre)
        self.up = [as_matrix(cast(Upsample, layer).conv.weight).to(dtype) for layer in net.up]
        self.decoder = [self._pack(level) for level in net.decoder]
        self.encoder_attention = self._attention(net.encoder_attention)
        self.centre_attention = self._attention(net.centre_attention)
        self.decoder_attention = self._attention(net.decoder_attention)
        classes = net.classifier.weight.detach().double().flatten(1)
        difference = torch.einsum("c,cifgh->ifgh", classes[1] - classes[0], net.final.weight.detach().double())
        self.head = self._kernel(difference.unsqueeze(0))

    def __call__(self, images: Tensor) -> Tensor:
        """Return the probability (D, H, W) float32 of class 1 for `images` (C, D, H, W)."""
        with torch.inference_mode(), self.workers:
            return self._run(images)

    def _run(self, images: Tensor) -> Tensor:
        pixels = self._pixels(images)
        skips: list[Tensor] = []
        reader, shape = self._stem_reader(pixels), pixels.shape[:3]
        for level in range(LEVELS):
            raw = self._double(reader, shape, self.encoder[level])
            last = level == LEVELS - 1
            skip, below = self._finish_encoder(raw, self.down[level], self.encoder_attention if last else None)
            skips.append(skip)
            reader, shape = plain_reader(below), below.shape[:3]
        del pixels
        deep = self._activate_all(self._double(reader, shape, self.centre))
        deep = self.centre_attention(deep)
        for level in reversed(range(LEVELS)):
            skip = skips.pop()
            low = self._product(deep, self.up[level])
            raw = self._double(join_reader(skip, low), skip.shape[:3], self.decoder[level], into=skip)
            if level:
                deep = self._activate_all(raw)
            if level == LEVELS - 1:
                deep = self.decoder_attention(deep)
        return self._probability(raw)

    def _kernel(self, weight: Tensor) -> Tensor:
        return weight.detach().to(self.dtype).contiguous(memory_format=torch.channels_last_3d)

    def _pack(self, level: nn.Module) -> list[PackedBlock]:
        blocks = [module for module in level.modules() if isinstance(module, ConvNormRelu)]
        return [
            PackedBlock(
                self._kernel(block.conv.weight),
                block.norm.weight.detach().float(),
                block.norm.bias.detach().float(),
                block.norm.num_groups,
                block.norm.eps,
            )
            for block in blocks
        ]

    def _attention(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return what a block does to planes; slice attention runs in float32, it is less than 1 % of the work."""
        if isinstance(module, nn.Identity):
            return lambda planes: planes
        if isinstance(module, SliceAttention) and isinstance(module.theta, nn.Conv3d):
            fast = FastSliceAttention(module)
            return lambda planes: fast(planes.float()).to(planes.dtype)
        return lambda planes: as_planes(module(as_volume(planes)))

    def _pixels(self, images: Tensor) -> Tensor:
        """Return images (C, D, H, W) as planes (D, H, W, C) of the features' type."""
        planes = torch.empty((*images.shape[1:], images.shape[0]), dtype=self.dtype, device=images.device)

        def work(slab: Slab) -> None:
            planes[slab[0] : slab[1]] = images[:, slab[0] : slab[1]].permute(1, 2, 3, 0)

        self.workers.map(work, self._slabs(planes.shape, 2 * planes.shape[3]))
        return planes

    def _product(self, planes: Tensor, matrix: Tensor) -> Tensor:
        """Return the 1 x 1 x 1 convolution of planes (D, H, W, C) by `matrix` (C, C')."""
        product = planes.new_empty((*planes.shape[:3], matrix.shape[1]))

        def work(slab: Slab) -> None:
            product[slab[0] : slab[1]] = planes[slab[0] : slab[1]] @ matrix

        self.workers.map(work, self._slabs(planes.shape, matrix.shape[1]))
        return product

    def _stem_reader(self, pixels: Tensor) -> Reader:
        """Return a reader of the first convolution's output, computed as it is read."""
        depth = pixels.shape[0]
        source = plain_reader(pixels)

        def read(low: int, high: int) -> Tensor:
            inner_low, inner_high = max(low, 0), min(high, depth)
            features = convolve(source(inner_low - 1, inner_high + 1), self.stem)
            return zero_padded(features, inner_low - low, high - inner_high)

        return read

    def _double(self, reader: Reader, shape: torch.Size, blocks: list[PackedBlock], into: Tensor | None = None) -> Raw:
        """Stream two blocks; the result lies in `into` when given, the second block always overwrites the first."""
        first, second = blocks
        planes = into
        if planes is None:
            planes = torch.empty((*shape, first.kernel.shape[0]), dtype=self.dtype, device=first.kernel.device)
        raw = self._stream(reader, first, planes)
        return self._stream(raw.read, second, planes)

    def _stream(self, reader: Reader, block: PackedBlock, planes: Tensor) -> Raw:
        """Convolve what `reader` gives into `planes`, which may be the very memory it reads.

        Each worker takes a run of slabs. A slab is written only after the next one was read, because that one needs its
        last plane unchanged; the first and last slab of a run are written when all workers have finished reading.
        """

        def work(run: Sequence[Slab]) -> tuple[list[ChannelMoments], list[tuple[int, Tensor]]]:
            moments, held, pending = [], [], None
            for low, high in run:
                source = reader(low - 1, high + 1)
                if pending is not None:
                    write(planes, *pending)
                result = convolve(source, block.kernel)
                moments.append(ChannelMoments.of(result))
                pending = None
                if low == run[0][0] or high == run[-1][1]:
                    held.append((low, result))
                else:
                    pending = (low, result)
            return moments, held

        slabs = self._slabs(planes.shape, block.kernel.shape[1])
        outcomes = self.workers.map(work, contiguous_chunks(slabs, self.workers.count))
        for _, held in outcomes:
            for low, result in held:
                write(planes, low, result)
        moments = ChannelMoments.joined([part for parts, _ in outcomes for part in parts])
        return Raw(planes, *moments.of_groups(block.groups), block)

    def _finish_encoder(
        self, raw: Raw, kernel: Tensor, attention: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Activate a level in place and return it with the strided convolution of it, the next level's input."""
        skip = self._activate_all(raw)
        if attention is not None:
            skip = attention(skip)
        return skip, self._down(skip, kernel)

    def _down(self, planes: Tensor, kernel: Tensor) -> Tensor:
        """Return the stride-2 convolution of activated planes (D, H, W, C)."""
        below = planes.new_empty((*((size + 1) // 2 for size in planes.shape[:3]), kernel.shape[0]))

        def work(slab: Slab) -> None:
            low, high = slab
            below[low // 2 : (high + 1) // 2] = convolve_strided(planes, low, high, kernel)

        self.workers.map(work, self._slabs(planes.shape, kernel.shape[1]))
        return below

    def _activate_all(self, raw: Raw) -> Tensor:
        """Apply normalisation and ReLU in place, and return the planes."""

        def work(slab: Slab) -> None:
            write(raw.planes, slab[0], raw.activated(*slab))

        self.workers.map(work, self._slabs(raw.planes.shape, raw.planes.shape[3]))
        return raw.planes

    def _probability(self, raw: Raw) -> Tensor:
        probability = torch.empty(raw.planes.shape[:3], dtype=torch.float32, device=raw.planes.device)

        def work(slab: Slab) -> None:
            low, high = slab
            logit = convolve(raw.read(low - 1, high + 1), self.head)
            torch.sigmoid(logit[..., 0].float(), out=probability[low:high])

        self.workers.map(work, self._slabs(raw.planes.shape, raw.planes.shape[3]))
        return probability

    def _slabs(self, shape: torch.Size, channels: int) -> list[Slab]:
        """Cut the planes of `shape` (D, H, W, C) into slabs [low, high) by the wider of C and `channels`."""
        step = slab_depth(shape[1] * shape[2], max(channels, shape[3]), self.dtype.itemsize, self.slab_bytes)
        share = -(-shape[0] // self.workers.count)
        step = min(step, share + share % 2)
        return [(low, min(low + step, shape[0])) for low in range(0, shape[0], step)]


def as_matrix(weight: Tensor) -> Tensor:
    """Return a 1 x 1 x 1 convolution's weight as the matrix (C, C') that planes are multiplied by."""
    return weight.detach().flatten(1).T.contiguous()


def write(planes: Tensor, low: int, part: Tensor) -> None:
    """Store `part` (d, H, W, C) as planes `low` onwards."""
    planes[low : low + part.shape[0]] = part


def plain_reader(planes: Tensor) -> Reader:
    """Return a reader of stored planes (D, H, W, C)."""
    depth = planes.shape[0]

    def read(low: int, high: int) -> Tensor:
        return zero_padded(planes[max(low, 0) : min(high, depth)], max(-low, 0), max(high - depth, 0))

    return read


def join_reader(skip: Tensor, low_planes: Tensor) -> Reader:
    """Return a reader of `skip` (D, H, W, C) beside `low_planes` doubled in size (nearest), fitted at the low side."""
    surplus = [2 * small - large for small, large in zip(low_planes.shape[:3], skip.shape[:3], strict=True)]
    depth, height, width, channels = skip.shape

    def read(low: int, high: int) -> Tensor:
        joined = skip.new_empty((high - low, height, width, channels + low_planes.shape[3]))
        inner_low, inner_high = max(low, 0), min(high, depth)
        joined[: inner_low - low] = 0
        joined[inner_high - low :] = 0
        target = joined[inner_low - low : inner_high - low]
        target[..., :channels] = skip[inner_low:inner_high]
        first = (inner_low + surplus[0]) // 2
        last = (inner_high - 1 + surplus[0]) // 2 + 1
        doubled = doubled_planes(low_planes[first:last])
        offset = inner_low + surplus[0] - 2 * first
        target[..., channels:] = doubled[offset : offset + inner_high - inner_low, surplus[1] :, surplus[2] :]
        return joined

    return read


def doubled_planes(planes: Tensor) -> Tensor:
    """Return planes (d, h, w, C) enlarged to (2 d, 2 h, 2 w, C) by nearest neighbour."""
    depth, height, width, channels = planes.shape
    repeated = planes[:, None, :, None, :, None].expand(depth, 2, height, 2, width, 2, channels)
    return repeated.reshape(2 * depth, 2 * height, 2 * width, channels)


def convolve_strided(planes: Tensor, low: int, high: int, kernel: Tensor) -> Tensor:
    """Return the outputs of a stride-2 convolution that are centred on planes [low, high), `low` being even.

    They reach one plane below `low`, which must be final, and at the volume's odd end one plane of zeros above.
    """
    depth = planes.shape[0]
    missing = 1 if high == depth and depth % 2 else 0
    return convolve(zero_padded(planes[max(low - 1, 0) : high], 1 if low == 0 else 0, missing), kernel, stride=2)
