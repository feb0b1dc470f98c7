"""Dropout of some rows of a batch as the whole batch would have it, so that dividing a batch changes nothing.

torch draws the mask for the rows it is shown. Here it is drawn for all rows of the batch, from the same seed in every
part and process, and the rows at hand take theirs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class RowDropout(nn.Module):
    """Takes the place of `nn.Dropout` or `nn.Dropout3d` (`by_channel`); `rows` of `count` are those at hand."""

    def __init__(self, p: float, by_channel: bool) -> None:
        super().__init__()
        self.p, self.by_channel = p, by_channel
        self.rows, self.count = range(0), 0

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (n, C, ...) with what the mask of the whole batch drops; raises `ValueError` for other rows."""
        if not self.training:
            return x
        if len(x) != len(self.rows):
            raise ValueError(f"{len(x)} rows at hand, and {len(self.rows)} announced")
        rest = (x.shape[1], 1, 1, 1) if self.by_channel else x.shape[1:]
        ones = torch.ones(self.count, *rest, dtype=x.dtype, device=x.device)
        mask = functional.dropout3d(ones, self.p) if self.by_channel else functional.dropout(ones, self.p)
        return x * mask[self.rows.start : self.rows.stop]


def replace_dropout(network: nn.Module) -> list[RowDropout]:
    """Put `RowDropout` in place of every dropout that drops anything, and return them."""
    found = []
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Dropout | nn.Dropout3d) and child.p > 0:
                placed = RowDropout(child.p, isinstance(child, nn.Dropout3d)).train(child.training)
                setattr(parent, name, placed)
                found.append(placed)
    return found
