"""RSANet: a 3D U-Net with recurrent slice-wise attention at its two deepest levels.

Zhang et al., "RSANet: Recurrent Slice-wise Attention Network for Multiple Sclerosis Lesion Segmentation", MICCAI 2019.
The backbone follows the authors' repository (re-implemented from its description; it carries no licence).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from LesionLensLib.networks.non_local import NonLocalBlock
from LesionLensLib.networks.slice_attention import SliceAttention
from LesionLensLib.networks.unet_blocks import Upsample, double_conv, downsample

LEVELS = 4
KINDS = ("rsa", "nonlocal", "none")


class RSANet(nn.Module):
    """Lesion segmentation network: `(N, in_channels, D, H, W)` -> logits `(N, out_channels, D, H, W)`, any size.

    Axes are D = axial slices (k), H = coronal (j), W = sagittal (i). `attention` says where the blocks stand, one digit
    each: after encoder level 4, after the centre, after decoder level 4 ("010", "101" or "111" in the paper). `kind`
    chooses slice attention, the paper's non-local comparison, or the plain 3D U-Net. `slice_order`, `projections` and
    `scaled_logits` are those of `SliceAttention`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 2,
        base_width: int = 32,
        attention: str = "111",
        kind: str = "rsa",
        dropout: float = 0.2,
        slice_order: str = "paper",
        projections: bool = True,
        scaled_logits: bool = False,
    ) -> None:
        super().__init__()
        if len(attention) != 3 or set(attention) - {"0", "1"}:
            raise ValueError(f"attention must be three digits 0 or 1, not {attention!r}")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, not {kind!r}")

        def refine(switch: str, channels: int) -> nn.Module:
            if switch == "0" or kind == "none":
                return nn.Identity()
            if kind == "nonlocal":
                return NonLocalBlock(channels)
            return SliceAttention(channels, slice_order, projections, scaled_logits)

        widths = [base_width * 2**level for level in range(LEVELS + 1)]
        self.stem = nn.Conv3d(in_channels, base_width, 3, padding=1, bias=False)
        self.dropout = nn.Dropout3d(dropout)
        inputs = [base_width, *widths]
        self.encoder = nn.ModuleList(double_conv(inputs[level], widths[level]) for level in range(LEVELS))
        self.down = nn.ModuleList(downsample(widths[level]) for level in range(LEVELS))
        self.centre = double_conv(widths[LEVELS - 1], widths[LEVELS])
        self.up = nn.ModuleList(Upsample(widths[level + 1], widths[level]) for level in range(LEVELS))
        self.decoder = nn.ModuleList(double_conv(2 * widths[level], widths[level]) for level in range(LEVELS))
        self.final = nn.Conv3d(base_width, base_width, 3, padding=1, bias=False)
        self.classifier = nn.Conv3d(base_width, out_channels, 1, bias=False)
        self.encoder_attention = refine(attention[0], widths[LEVELS - 1])
        self.centre_attention = refine(attention[1], widths[LEVELS])
        self.decoder_attention = refine(attention[2], widths[LEVELS - 1])

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, out_channels, D, H, W) of the images `x` (N, in_channels, D, H, W), normalised per card."""
        x = self.dropout(self.stem(x))
        skips: list[Tensor] = []
        for level in range(LEVELS):
            x = self.encoder[level](x)
            if level == LEVELS - 1:
                x = self.encoder_attention(x)
            skips.append(x)
            x = self.down[level](x)
        x = self.centre_attention(self.centre(x))
        for level in reversed(range(LEVELS)):
            skip = skips.pop()
            x = self.decoder[level](torch.cat([skip, self.up[level](x, tuple(skip.shape[2:]))], 1))
            if level == LEVELS - 1:
                x = self.decoder_attention(x)
        logits: Tensor = self.classifier(self.final(x))
        return logits
