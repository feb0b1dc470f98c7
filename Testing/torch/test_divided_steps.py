"""A step in several passes is the step of the whole batch; precision, scaler and log of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from test_training import RECIPE, pool
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.losses import combined_loss
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training import gear as gear_module
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.curves import draw_curves
from LesionLensLib.training.gear import Gear, Lesson, check_batch
from LesionLensLib.training.history import note_recipe, read_history
from LesionLensLib.training.pool import CropStream
from LesionLensLib.training.precision import tell_of_precision
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.row_dropout import RowDropout, replace_dropout
from LesionLensLib.training.team import Team
from LesionLensLib.training.trainer import learning_rate, make_state, train, train_step
from LesionLensLib.training.training_log import COLUMNS, LogRow, append_log, cut_log, read_column
from LesionLensLib.training.training_loop import resume, run_steps

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def quiet(step: int, text: str) -> None:
    return None


def rows_of_four() -> tuple[Tensor, Tensor, Tensor]:
    """Images, lesions of very different sizes, and voxels that do not count: no row is like the whole batch."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 16, 16, 16, generator=generator)
    lesion, ignored = torch.zeros(4, 16, 16, 16), torch.zeros(4, 16, 16, 16, dtype=torch.bool)
    for row, side in enumerate((1, 4, 9, 14)):
        lesion[row, :side, :side, :side] = 1
        ignored[row, -side:, -1:] = True
    return images, lesion, ignored


def small_network(norm: nn.Module, dropout: float = 0.0) -> nn.Module:
    """Return a network in float64: in float32 sums over one and over four rows differ by 0.1 % of some gradients."""
    torch.manual_seed(1)
    layers = (nn.Conv3d(3, 4, 3, padding=1), norm, nn.ReLU(), nn.Dropout3d(dropout), nn.Conv3d(4, 2, 1))
    return nn.Sequential(*layers).double()


def one_step(network: nn.Module, passes: int) -> tuple[float, dict[str, Tensor]]:
    """Return loss and gradients of a step on the four rows in so many passes."""
    images, lesion, ignored = rows_of_four()
    images = images.to(next(network.parameters()).dtype)

    def ask(asked: nn.Module, inputs: Tensor) -> tuple[Tensor]:
        return (asked(inputs),)

    def loss(outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> Tensor:
        return combined_loss(outputs[0], targets[0], 0.01, "intent", targets[1])

    gear = Gear(network.train(), CPU, passes=passes)
    optimizer = torch.optim.SGD(network.parameters(), 0.0)
    said = gear.step(optimizer, Lesson(images, (lesion, ignored), ask, loss, seed=3))
    return said, {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_four_passes_of_one_row_are_one_pass_of_four_with_group_norm(dropout: float) -> None:
    """The soft Dice loss pools the rows and the cross-entropy weighs them: means over passes would be another loss."""
    whole_loss, whole = one_step(small_network(nn.GroupNorm(2, 4), dropout), 1)
    for passes in (2, 4):
        loss, divided = one_step(small_network(nn.GroupNorm(2, 4), dropout), passes)
        assert loss == pytest.approx(whole_loss, rel=1e-5)
        assert divided.keys() == whole.keys()
        for name, value in whole.items():
            assert torch.allclose(divided[name], value, rtol=1e-5, atol=1e-6 * float(value.abs().max())), name


def test_rsanet_learns_the_same_in_passes_but_for_rounding() -> None:
    (whole_loss, whole), (loss, divided) = (
        one_step(make_state(replace(RECIPE, dropout=0.3, attention="010"), CPU).network, passes) for passes in (1, 2)
    )
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    for name, value in whole.items():
        assert float((divided[name] - value).norm()) <= 0.01 * float(value.norm()) + 1e-9, name


def test_a_mean_over_passes_is_not_the_loss_of_the_batch() -> None:
    """What the test above would miss if the rows were alike."""
    images, lesion, ignored = rows_of_four()
    network = make_state(RECIPE, CPU).network.eval()
    with torch.no_grad():
        logits = network(images)
        whole = combined_loss(logits, lesion, 0.01, "intent", ignored)
        parts = [combined_loss(logits[n : n + 1], lesion[n : n + 1], 0.01, "intent", ignored[n : n + 1])
                 for n in range(4)]  # fmt: skip
    assert abs(float(whole) - float(torch.stack(parts).mean())) > 0.02


def test_running_statistics_see_every_row_once_in_passes() -> None:
    divided, plain = (small_network(nn.BatchNorm3d(4)) for _ in range(2))
    one_step(divided, 2)
    with torch.no_grad():
        images = rows_of_four()[0].double()
        plain.train()(images[:2])
        plain(images[2:])
    assert int(divided[1].num_batches_tracked) == 2
    assert torch.allclose(divided[1].running_mean, plain[1].running_mean, atol=1e-6)


def test_dropout_of_some_rows_is_that_of_the_whole_batch() -> None:
    x = torch.ones(6, 5, 2, 2, 2)
    for kind in (nn.Dropout(0.4), nn.Dropout3d(0.4)):
        network = nn.Sequential(nn.Identity(), kind).train()
        torch.manual_seed(5)
        whole = network(x)
        (placed,) = replace_dropout(network)
        assert isinstance(network[1], RowDropout)
        placed.rows, placed.count = range(2, 4), 6
        torch.manual_seed(5)
        assert torch.equal(network(x[2:4]), whole[2:4])
        assert torch.equal(network.eval()(x), x)
        with pytest.raises(ValueError, match="6 rows at hand, and 2 announced"):
            network.train()(x)


def plain_step(state: TrainingState[RSANet], recipe: Recipe, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Do the step as it was done before it could be divided, from which the shipped weights come."""
    images, lesion, ignored = batch
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    logits = state.network(images.contiguous(memory_format=torch.channels_last_3d))
    loss = combined_loss(logits, lesion, recipe.lesion_share, recipe.loss_reading, ignored, recipe.dice_weight)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
    state.optimizer.step()
    state.count_step(recipe.averaging)


def test_an_undivided_step_gives_the_very_weights_that_it_always_gave() -> None:
    states = [make_state(RECIPE, CPU) for _ in range(2)]
    for number in range(2):
        batch = CropStream(pool(), RECIPE).batch(number)
        plain_step(states[0], RECIPE, batch)
        train_step(states[1], RECIPE, batch, CPU)
    for name, value in states[0].average.items():
        assert torch.equal(value, states[1].average[name]), name


def test_a_recipe_in_passes_trains_to_the_weights_of_the_recipe_in_one(tmp_path: Path) -> None:
    recipe = replace(RECIPE, crops_per_volume=2, steps=1, warm_up_steps=0)
    whole, divided = (
        train(replace(recipe, accumulate=passes), pool(), tmp_path / str(passes), CPU, quiet).average
        for passes in (1, 2)
    )
    for name, value in whole.items():
        # Adam's first step is as long as the rate in every weight, even where the gradient is next to nothing.
        assert float((value - divided[name]).abs().mean()) < 0.02 * recipe.learning_rate, name
    with pytest.raises(UserError, match=r"A batch of 2 cannot be dealt to 1 process in 4 passes each"):
        train(replace(recipe, accumulate=4), pool(), tmp_path / "never", CPU, quiet)


def test_dropout_goes_on_where_it_was_when_a_run_is_resumed(tmp_path: Path) -> None:
    """Dropout of an undivided RSANet draws from torch's own generator, which nobody seeds by the step."""
    recipe = replace(RECIPE, dropout=0.4, steps=2)
    whole = train(recipe, pool(), tmp_path / "whole", CPU, quiet).average
    train(recipe, pool(), tmp_path / "broken", CPU, quiet, should_stop=lambda step: step == 1)
    torch.manual_seed(99)
    resumed = train(recipe, pool(), tmp_path / "broken", CPU, quiet).average
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_a_step_of_several_volumes_is_dealt_so_that_each_process_makes_its_own() -> None:
    recipe = replace(RECIPE, crops_per_volume=2, volumes_per_step=2, batches_per_volume=2)
    whole = CropStream(pool(), recipe).batch(3)
    streams = [CropStream(pool(), recipe, team=Team(rank, 2)) for rank in range(2)]
    parts = [stream.batch(3) for stream in streams]
    for number, value in enumerate(whole):
        assert torch.equal(value, torch.cat([part[number] for part in parts]))
    assert [list(stream._latest) for stream in streams] == [[2], [3]]
    again = streams[0]._latest[2]
    streams[0].batch(2)
    assert streams[0]._latest[2] is again, "both batches are cut from the same changed volumes"
    assert not torch.equal(whole[0][:2], whole[0][2:])
    single = replace(recipe, volumes_per_step=1)
    alone, second = (CropStream(pool(), single, team=team).batch(3)[0] for team in (Team(), Team(1, 2)))
    assert torch.equal(second, alone[1:])


@pytest.mark.parametrize(
    ("batch", "passes", "size", "said"),
    [(4, 3, 1, "A batch of 4 cannot be dealt to 1 process in 3 passes"), (3, 1, 2, "to 2 processes in 1 pass each")],
)
def test_a_batch_that_cannot_be_dealt_is_refused(batch: int, passes: int, size: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_batch(batch, passes, Team(0, size))
    check_batch(passes * size * 2, passes, Team(0, size))


def test_half_precision_is_left_aside_on_a_cpu_and_said_so() -> None:
    progress = SilentProgress()
    tell_of_precision("fp16", CPU, progress)
    assert "on a CPU it is slower than fp32" in progress.warnings[0]
    tell_of_precision("bf16", CPU, progress)
    tell_of_precision("fp16", torch.device("cuda", 1), progress)
    assert len(progress.warnings) == 1
    gear = Gear(nn.Linear(2, 2), CPU, "fp16")
    assert (gear.precision, gear.scaler.is_enabled()) == ("fp32", False)
    with pytest.raises(UserError, match="RSANet cannot train in fp16"):
        Recipe(precision="fp16")


def _in_fp16(folder: Path, until: int) -> TrainingState[nn.Sequential]:
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    state = TrainingState.begin(network, torch.optim.Adam(network.parameters(), 0.01))
    gear = Gear(network, CPU, "fp16")
    state.scaler = gear.scaler
    resume(state, folder)
    ask: Callable[[nn.Module, Tensor], tuple[Tensor]] = lambda asked, inputs: (asked(inputs),)  # noqa: E731

    def do_step() -> float:
        x = torch.randn(4, 6, generator=torch.Generator().manual_seed(state.step))
        # One batch overflows fp16 in the backward pass: its step is left out, and the scale is halved.
        factor = 1e6 if state.step == 3 else 1.0
        lesson = Lesson(x, (x.sum(1, keepdim=True),), ask,
                        lambda said, wanted: factor * (said[0].float() - wanted[0]).square().mean())  # fmt: skip
        loss = gear.step(state.optimizer, lesson, 1.0)
        state.count_step(0.9)
        return loss

    return run_steps(state, 12, folder, do_step, quiet, lambda step: step == until)


def test_the_scale_of_the_loss_is_resumed_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fp16 of a GPU, shown on a CPU: with a fresh scale the resumed run would leave out other steps."""
    monkeypatch.setattr(gear_module, "precision_on", lambda precision, device: precision)
    whole = _in_fp16(tmp_path / "whole", 99)
    assert whole.scaler is not None
    assert whole.scaler.get_scale() < 65536
    _in_fp16(tmp_path / "broken", 5)
    resumed = _in_fp16(tmp_path / "broken", 99)
    assert resumed.scaler is not None
    assert resumed.scaler.state_dict() == whole.scaler.state_dict()
    for name, value in whole.average.items():
        assert torch.equal(value, resumed.average[name]), name


def test_a_log_of_an_earlier_version_goes_on_with_the_columns_of_today(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss,learning_rate,seconds\n20,0.5,1e-3,7\n40,0.4,1e-3,9\n60,0.3,1")
    cut_log(tmp_path, 60)
    append_log(tmp_path, LogRow(60, 0.3, 1e-3, 5.0, 0.25, None))
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == [",".join(COLUMNS), "20,0.5,1e-3,7,,", "40,0.4,1e-3,9,,", "60,0.30000,1.000e-03,5,0.25,"]
    assert read_column(tmp_path, "loss") == ([20, 40, 60], [0.5, 0.4, 0.3])
    assert read_column(tmp_path, "seconds_per_step") == ([60], [0.25])
    assert read_column(tmp_path, "memory_mb") == ([], [])


def test_the_picture_shows_what_the_logs_tell_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "metrics.csv").write_text("step,loss\n20,0.5\n40,0.4\n")
    (tmp_path / "new").mkdir()
    append_log(tmp_path / "new", LogRow(20, 0.3, 1e-3, 5.0, 0.25, 300.0))
    sizes = []
    for number, names in enumerate((["old"], ["old", "new"])):
        path = tmp_path / f"{number}.png"
        draw_curves([tmp_path / name for name in names], path, "loss", "Training loss")
        with Image.open(path) as picture:
            sizes.append(picture.height)
    assert sizes[1] > 1.5 * sizes[0], "rate, pace and memory below the loss"


def test_a_setting_that_an_earlier_version_did_not_know_is_no_other_recipe(tmp_path: Path) -> None:
    note_recipe(RECIPE, 0, tmp_path)
    path = tmp_path / "history.json"
    path.write_text(path.read_text().replace('"accumulate": 1,', ""))
    note_recipe(RECIPE, 3, tmp_path)
    assert len(read_history(tmp_path)) == 1
    note_recipe(replace(RECIPE, accumulate=2), 3, tmp_path)
    assert [entry["from_step"] for entry in read_history(tmp_path)] == [0, 3]
