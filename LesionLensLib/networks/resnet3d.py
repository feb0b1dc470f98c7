"""3D residual network with self-attention or CBAM, in the standard and in the Big Transfer form.

Jalalifar et al., "A self-attention-guided 3D deep residual network with Big Transfer to predict local failure in brain
metastasis after radiotherapy using multi-channel MRI", IEEE JTEHM 2022: self-attention after each residual block, or
CBAM once before the average pooling. Its supplementary gives neither depth nor widths; blocks, stem and widths are
those of the usual ResNets (He et al., CVPR 2016), carried over to three dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from LesionLensLib.networks.cbam import Cbam
from LesionLensLib.networks.group_norm import ExactGroupNorm
from LesionLensLib.networks.self_attention import SelfAttention
from LesionLensLib.networks.weight_standardization import StandardizedConv3d

DEPTHS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Residual blocks of each stage, by the number of layers in the network's name."""

ATTENTIONS = ("none", "cbam", "self")
RECIPES = ("standard", "bit")
GROUPS = 32


class ConvNorm(nn.Module):
    """Convolution without bias and its normalisation: batch norm, or for "bit" weight standardisation and group norm.

    The padding is half the kernel, so that voxel o of the output is centred on voxel stride * o of the input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, recipe: str, groups: int = GROUPS
    ) -> None:
        super().__init__()
        convolution = StandardizedConv3d if recipe == "bit" else nn.Conv3d
        self.conv: nn.Conv3d = convolution(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = ExactGroupNorm(groups, out_channels) if recipe == "bit" else nn.BatchNorm3d(out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, D, H, W) -> (N, out_channels, ceil(D / stride), ...)."""
        normalized: Tensor = self.norm(self.conv(x))
        return normalized


class ResidualBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions around a skip, then `attention`, which stands after the addition and its ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        recipe: str,
        attention: nn.Module,
        groups: int = GROUPS,
    ) -> None:
        super().__init__()
        self.first = ConvNorm(in_channels, out_channels, 3, stride, recipe, groups)
        self.second = ConvNorm(out_channels, out_channels, 3, 1, recipe, groups)
        keeps_shape = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if keeps_shape else ConvNorm(in_channels, out_channels, 1, stride, recipe, groups)
        self.relu = nn.ReLU(inplace=True)
        self.attention = attention

    def residual(self, x: Tensor) -> Tensor:
        """Return the block without its attention, which is what the attention sees: (N, out_channels, D', H', W')."""
        branch = self.second(self.relu(self.first(x)))
        activated: Tensor = self.relu(branch + self.shortcut(x))
        return activated

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, D, H, W) -> (N, out_channels, ceil(D / stride), ...)."""
        attended: Tensor = self.attention(self.residual(x))
        return attended


class ResNet3d(nn.Module):
    """Classifier of volumes: `(N, in_channels, D, H, W)` -> logits `(N, out_channels)`, any size.

    Axes are D = axial slices (k), H = coronal (j), W = sagittal (i). `depth` is 10, 18 or 34; `attention` is "none",
    "cbam" or "self"; `recipe` is "standard" (batch norm) or "bit" (group norm and weight standardisation of every
    convolution of stem and blocks; the attention's own layers have no norm behind them and stay as they are).
    `attention_reduction`, `attention_residual` and `attention_scaled` are those of `SelfAttention`. `stages` below 4
    leaves out the last and widest ones, for small images; `groups` of group norm below Big Transfer's 32 permit
    narrower networks.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 2,
        depth: int = 18,
        base_width: int = 64,
        attention: str = "self",
        recipe: str = "bit",
        attention_reduction: int = 1,
        attention_residual: bool = True,
        attention_scaled: bool = False,
        cbam_reduction: int = 16,
        stages: int = 4,
        groups: int = GROUPS,
    ) -> None:
        super().__init__()
        _check(depth, base_width, attention, recipe, stages, groups)
        self.attention, self.recipe = attention, recipe

        def block(in_width: int, out_width: int, stride: int) -> ResidualBlock:
            refine: nn.Module = nn.Identity()
            if attention == "self":
                refine = SelfAttention(out_width, attention_reduction, attention_residual, attention_scaled)
            return ResidualBlock(in_width, out_width, stride, recipe, refine, groups)

        self.stem = ConvNorm(in_channels, base_width, 7, 2, recipe, groups)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool3d(3, 2, 1)
        built, width = [], base_width
        for stage, count in enumerate(DEPTHS[depth][:stages]):
            wider = base_width * 2**stage
            first = block(width, wider, 2 if stage else 1)
            built.append(nn.Sequential(first, *(block(wider, wider, 1) for _ in range(count - 1))))
            width = wider
        self.stages = nn.ModuleList(built)
        self.cbam: nn.Module = Cbam(width, cbam_reduction) if attention == "cbam" else nn.Identity()
        self.classifier = nn.Linear(width, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, out_channels) of the images `x` (N, in_channels, D, H, W), normalised per card."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Return the features that enter the head, (N, 8 * base_width, ceil(D / 32), ...); a stage less halves both."""
        x = self.stem_features(x)
        for block in self.blocks():
            x = block(x)
        return x

    def stem_features(self, x: Tensor) -> Tensor:
        """Return what enters the first block, (N, base_width, ceil(D / 4), ceil(H / 4), ceil(W / 4))."""
        pooled: Tensor = self.pool(self.relu(self.stem(x)))
        return pooled

    def head(self, features: Tensor) -> Tensor:
        """Return logits (N, out_channels): CBAM where the network has it, average pooling, linear layer."""
        logits: Tensor = self.classifier(self.cbam(features).mean((2, 3, 4)))
        return logits

    def blocks(self) -> Iterator[ResidualBlock]:
        """Yield the residual blocks in the order of the pass."""
        for stage in self.stages:
            for block in stage.children():
                if isinstance(block, ResidualBlock):
                    yield block


def _check(depth: int, base_width: int, attention: str, recipe: str, stages: int, groups: int) -> None:
    if depth not in DEPTHS:
        raise ValueError(f"depth must be one of {tuple(DEPTHS)}, not {depth}")
    if attention not in ATTENTIONS:
        raise ValueError(f"attention must be one of {ATTENTIONS}, not {attention!r}")
    if recipe not in RECIPES:
        raise ValueError(f"recipe must be one of {RECIPES}, not {recipe!r}")
    if not 1 <= stages <= 4:
        raise ValueError(f"stages must be 1 to 4, not {stages}")
    if groups < 1 or base_width < 1 or (recipe == "bit" and base_width % groups):
        raise ValueError(f"base_width must be a multiple of {groups} for group norm, not {base_width}")
