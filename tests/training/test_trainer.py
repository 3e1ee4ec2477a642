"""The trainer: what a step is does not depend on how it is split, nor a run on where it was cut."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from earmark.errors import UserError
from earmark.identity import seed_for
from earmark.representations.objective import Objective
from earmark.training.job import Hardware, Training, Validation
from earmark.training.schedules import Schedule
from earmark.training.stream import Stream
from earmark.training.trainer import fit
from tests.training.small_objective import SmallSegments, made

EXACT: dict[str, Any] = {"precision": "float64"}


@dataclass(frozen=True)
class Ending(SmallSegments):
    """Segments that cannot be read any more after some."""

    left: Iterator[int] = field(default_factory=lambda: iter(()))

    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        if next(self.left, None) is None:
            raise UserError("No more.")
        return super().at(epoch, index)


def weights(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(folder / "model.safetensors")
    return found


def curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def by_hand(training: Training) -> tuple[Objective, list[float]]:
    """Train with whole steps in a plain loop; return the objective and the norms of the gradients."""
    recipe = training.recipe
    objective, stream, norms = training.system.build(recipe.seed).double(), Stream(training.segments(), recipe.seed), []
    optimiser = torch.optim.AdamW(objective.parameters(), betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    for step in range(recipe.n_steps):
        optimiser.param_groups[0]["lr"] = recipe.schedule.at(step, recipe.n_steps)
        objective.before_step(step)
        optimiser.zero_grad()
        first = step * recipe.segments_per_step
        segments = cast(Tensor, stream.between(first, first + recipe.segments_per_step)).double()
        seed = seed_for("portion", seed_for("objective", recipe.seed, step), 0) % 2**63
        loss = objective(segments, torch.Generator().manual_seed(seed)).loss
        (loss.total / loss.count).backward()
        norms.append(
            float(torch.cat([one.grad.flatten() for one in objective.parameters() if one.grad is not None]).norm())
        )
        optimiser.step()
    return objective, norms


def test_a_run_is_that_of_a_plain_loop_over_whole_steps(tmp_path: Path) -> None:
    training = made(tmp_path, noise=0.5, **EXACT)
    objective, norms = by_hand(training)
    last = fit(training, Hardware())

    assert largest_difference(weights(last), dict(objective.state_dict())) < 1e-12
    assert [one["gradient_norm_all"] for one in curve(tmp_path)] == pytest.approx(norms, rel=1e-12)
    assert [one["step"] for one in curve(tmp_path)] == list(range(6))


@pytest.mark.parametrize("at_once", [1, 5, 6])
def test_portions_change_no_gradient(tmp_path: Path, at_once: int) -> None:
    whole = fit(made(tmp_path / "whole", **EXACT), Hardware())
    split = fit(made(tmp_path / "split", segments_at_once=at_once, **EXACT), Hardware())

    assert largest_difference(weights(whole), weights(split)) < 1e-10
    for one, other in zip(curve(tmp_path / "whole"), curve(tmp_path / "split"), strict=True):
        assert one == pytest.approx(other, rel=1e-10)


def test_two_processes_change_no_gradient_and_draw_the_same_for_the_same_portions(tmp_path: Path) -> None:
    one = fit(made(tmp_path / "one", noise=0.5, segments_at_once=6, **EXACT), Hardware())
    two = fit(made(tmp_path / "two", noise=0.5, segments_at_once=6, **EXACT), Hardware(n_devices=2))

    assert largest_difference(weights(one), weights(two)) < 1e-10
    for first, second in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert first == pytest.approx(second, rel=1e-10)


def test_readers_in_processes_of_their_own_change_nothing(tmp_path: Path) -> None:
    here = fit(made(tmp_path / "here", noise=0.5), Hardware())
    there = fit(made(tmp_path / "there", noise=0.5), Hardware(readers=2))

    assert largest_difference(weights(here), weights(there)) == 0.0


def test_clipping_bounds_the_gradient_of_a_step_and_shows_what_it_was(tmp_path: Path) -> None:
    free = fit(made(tmp_path / "free", **EXACT), Hardware())
    clipped = fit(made(tmp_path / "clipped", clip_norm=1e-9, **EXACT), Hardware())

    assert curve(tmp_path / "clipped")[0]["gradient_norm_all"] == curve(tmp_path / "free")[0]["gradient_norm_all"]
    assert largest_difference(weights(free), weights(clipped)) > 1e-3


def test_alarms_are_said_once_and_stand_in_the_card(tmp_path: Path) -> None:
    said: list[str] = []
    last = fit(made(tmp_path), Hardware(), say=said.append)
    card = json.loads((last / "card.json").read_text())

    assert [line for line in said if line.startswith("alarm")] == ["alarm: planted at step 2"]
    assert card["alarms"] == [{"name": "planted", "step": 2, "text": "planted at step 2"}]
    assert card["steps"] == 6
    assert card["audio_s"] == 6 * 12 * 16 / 8
    assert card["monitors"]["used_0"] == pytest.approx(sum(one["used_0"] for one in curve(tmp_path)) / 6)


def test_held_out_segments_are_measured_at_every_save_and_always_the_same(tmp_path: Path) -> None:
    training = replace(made(tmp_path, noise=0.5, save_every_steps=2, **EXACT), validation=Validation(SmallSegments, 5))
    last = fit(training, Hardware())
    found = json.loads((last / "card.json").read_text())["validation"]
    objective = training.system.build(0).double()
    objective.load_state_dict(weights(last))
    objective.before_step(5)
    heard = torch.stack([torch.from_numpy(SmallSegments().at(0, index)) for index in range(5)]).double()
    seed = seed_for("portion", seed_for("validation", 0), 0) % 2**63
    loss = objective(heard, torch.Generator().manual_seed(seed)).loss

    assert [one["step"] for one in found] == [2, 4, 6]
    assert found[-1]["loss"] == pytest.approx((loss.total / loss.count).item(), rel=1e-12)


def test_validation_changes_no_weight(tmp_path: Path) -> None:
    without = fit(made(tmp_path / "without", noise=0.5), Hardware())
    validated = replace(made(tmp_path / "with", noise=0.5, save_every_steps=1), validation=Validation(SmallSegments, 5))

    assert largest_difference(weights(without), weights(fit(validated, Hardware()))) == 0.0


def test_it_stops_when_validation_is_no_better_any_more_and_keeps_the_best(tmp_path: Path) -> None:
    # With a rate as high as this nothing is learnt: the first validation is the best, or soon one is.
    wild = made(tmp_path, n_steps=60, save_every_steps=1, keep_checkpoints=1)
    recipe = replace(wild.recipe, schedule=Schedule(30.0, 0, "constant"))
    training = replace(wild, recipe=recipe, validation=Validation(SmallSegments, 5, patience=3))
    last = fit(training, Hardware())
    card = json.loads((last / "card.json").read_text())
    losses = [one["loss"] for one in card["validation"]]
    best = losses.index(min(losses)) + 1

    assert card["steps"] == best + 3 < 60
    assert {one.name for one in (tmp_path / "checkpoints").iterdir()} == {
        f"small-step-{step}" for step in (0, best, best + 3)
    }
    assert fit(training, Hardware(), resume=True) == last


def test_the_latest_checkpoints_stay_and_that_of_step_0(tmp_path: Path) -> None:
    fit(made(tmp_path, save_every_steps=1, keep_checkpoints=2), Hardware())

    assert sorted(one.name for one in (tmp_path / "checkpoints").iterdir()) == [f"small-step-{n}" for n in (0, 5, 6)]


def test_what_is_watched_stands_in_files_of_tensorboard(tmp_path: Path) -> None:
    fit(made(tmp_path), Hardware())

    assert [one for one in (tmp_path / "tensorboard").iterdir() if one.name.startswith("events.out.tfevents")]


KILLED = """
import sys
from pathlib import Path
from typing import Any, cast
from earmark.training.job import Hardware
from earmark.training.trainer import fit
from tests.training.small_objective import SmallSegments, made

if __name__ == "__main__":
    training = made(Path(sys.argv[1]), noise=0.5, n_steps=int(sys.argv[2]), segments_at_once=5, save_every_steps=3)
    fit(training, Hardware(), resume=True)
"""


def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    n_steps, cut = 500, tmp_path / "cut"
    whole = made(tmp_path / "whole", noise=0.5, n_steps=n_steps, segments_at_once=5, save_every_steps=500)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(script), str(cut), str(n_steps)], env=environment)
    while process.poll() is None and not list(cut.glob("checkpoints/small-step-[1-9]*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)

    assert process.wait() == -signal.SIGKILL
    steps_done = len((cut / "curve.jsonl").read_text().splitlines())
    assert 0 < steps_done < n_steps
    again = made(cut, noise=0.5, n_steps=n_steps, segments_at_once=5, save_every_steps=500)
    resumed = fit(again, Hardware(), resume=True)
    assert largest_difference(weights(fit(whole, Hardware())), weights(resumed)) == 0.0
    assert curve(cut) == curve(tmp_path / "whole")


def test_a_finished_run_that_is_resumed_stays_as_it_is(tmp_path: Path) -> None:
    last = fit(made(tmp_path), Hardware())
    before = (last / "model.safetensors").stat().st_mtime_ns

    assert fit(made(tmp_path), Hardware(), resume=True) == last
    assert (last / "model.safetensors").stat().st_mtime_ns == before


def test_a_folder_with_a_run_is_not_begun_anew(tmp_path: Path) -> None:
    fit(made(tmp_path), Hardware())

    with pytest.raises(UserError, match=r"holds a pre-training already\. Go on with it by --resume"):
        fit(made(tmp_path), Hardware())


def test_a_run_of_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    fit(made(tmp_path), Hardware())

    with pytest.raises(UserError, match="of other settings, or of another corpus"):
        fit(made(tmp_path, seed=1), Hardware(), resume=True)


def test_a_damaged_state_is_said_to_be_one(tmp_path: Path) -> None:
    fit(made(tmp_path), Hardware())
    (tmp_path / "state.pt").write_bytes(b"nothing")

    with pytest.raises(UserError, match=r"state.pt' is damaged"):
        fit(made(tmp_path), Hardware(), resume=True)


def test_more_devices_than_segments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one segment a step for each of 2 devices, got 1"):
        fit(made(tmp_path, segments_per_step=1), Hardware(n_devices=2))


def test_validation_is_given_to_the_alarms_even_after_the_last_step(tmp_path: Path) -> None:
    said: list[str] = []
    training = replace(made(tmp_path, n_steps=3, save_every_steps=3), validation=Validation(SmallSegments, 5))
    last = fit(training, Hardware(), say=said.append)

    assert "alarm: 1 held out" in said
    assert "held_out" in {one["name"] for one in json.loads((last / "card.json").read_text())["alarms"]}


def test_an_epoch_is_read_over_all_its_steps(tmp_path: Path) -> None:
    """37 segments, 12 a step: the first epoch ends within the fourth step, the second within the seventh."""
    last = fit(made(tmp_path, n_steps=9, **EXACT), Hardware())
    found = json.loads((last / "card.json").read_text())["epoch"]
    second = curve(tmp_path)[4:7]

    assert found["epoch"] == 2
    assert found["used_0"] == pytest.approx(sum(one["used_0"] for one in second) / 3)
    unfinished = fit(made(tmp_path / "unfinished", n_steps=2, **EXACT), Hardware())
    so_far = json.loads((unfinished / "card.json").read_text())["epoch"]
    assert so_far["epoch"] == 0
    assert so_far["used_0"] == pytest.approx(sum(one["used_0"] for one in curve(tmp_path / "unfinished")) / 2)


def test_an_epoch_that_was_interrupted_is_read_as_if_it_had_not_been(tmp_path: Path) -> None:
    cut = made(tmp_path / "cut", save_every_steps=2, **EXACT)
    with pytest.raises(UserError, match="No more"):
        fit(replace(cut, segments=lambda: Ending(left=iter(range(42)))), Hardware())  # a save was after two steps
    assert len(curve(tmp_path / "cut")) == 2
    cards = [
        json.loads((last / "card.json").read_text())
        for last in (fit(made(tmp_path / "whole", **EXACT), Hardware()), fit(cut, Hardware(), resume=True))
    ]
    assert cards[0]["epoch"] == cards[1]["epoch"]
    assert cards[0]["epoch"]["epoch"] == 1
