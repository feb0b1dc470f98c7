"""The attention ResNet by its model card: arguments, weights in half precision, the folded form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.inference.folded_resnet3d import fold
from LesionLensLib.inference.network import build_network
from LesionLensLib.inference.outcome_network import FOLD_PREFIX, load_outcome_networks
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.training.export import write_model

ARGUMENTS: dict[str, Any] = {"depth": 10, "base_width": 8, "stages": 2, "groups": 4}
CARD = {
    "id": "made-up", "version": "1", "title": "Made up", "task": "outcome", "reference_role": "T1c",
    "channel_def": [{"role": "T1c"}, {"role": "FLAIR"}], "labels": [{"value": 1, "id": "lesion", "name": "Lesion"}],
    "outcome": {"event": "local failure", "classes": ["local control", "local failure"]},
    "field_mm": [48, 48, 48], "ensemble": {"members": 1, "folds": 1, "views": 1},
}  # fmt: skip


@pytest.mark.parametrize("recipe", ["standard", "bit"])
@pytest.mark.parametrize("attention", ["none", "cbam", "self"])
def test_a_network_comes_back_from_its_card_and_weights(attention: str, recipe: str, tmp_path: Path) -> None:
    arguments = {**ARGUMENTS, "attention": attention, "recipe": recipe}
    torch.manual_seed(1)
    network, other = ResNet3d(**arguments), ResNet3d(**arguments)
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "running_var", "gain")):
            value.add_(0.3)
    tensors = network.state_dict() | {f"{FOLD_PREFIX}0.0.{n}": v for n, v in other.state_dict().items()}
    write_model(tensors, {**CARD, "network": {"name": "resnet3d", **arguments}}, tmp_path)
    loaded = load_outcome_networks(find_card(str(tmp_path)))
    x = torch.randn(2, 3, 24, 24, 24)
    with torch.inference_mode():
        for mine, theirs in ((network, loaded.final[0]), (other, loaded.folds[0][0])):
            expected = mine.eval()(x)
            assert theirs(x) == pytest.approx(expected.numpy(), abs=0.02)
            assert isinstance(theirs, ResNet3d)
            assert fold(theirs)(x) == pytest.approx(theirs(x).numpy(), abs=1e-4)
    assert not torch.allclose(network(x), other(x), atol=0.05), "the two must not be mistaken for each other"


def test_a_card_with_wrong_arguments_is_refused_in_words() -> None:
    for wrong in ({"depth": 11}, {"attention": "all"}, {"width": 8}, {"groups": 3}):
        with pytest.raises(UserError, match="resnet3d that cannot be built"):
            build_network({"name": "resnet3d", **ARGUMENTS, **wrong})
