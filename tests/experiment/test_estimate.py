"""What a plan says a run would take: each pass once, each deformation once, and the bytes of the layers asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

import earmark
from earmark.deformations import CLEAN, PRESETS
from earmark.errors import UserError
from earmark.experiment import costs, estimate, work
from earmark.experiment.keys import Facts
from earmark.experiment.passes import Pass
from earmark.experiment.spec import RepresentationChoice
from earmark.representations import base
from earmark.representations.embed import Grain
from earmark.representations.logmel import CARD
from earmark.show import runs
from tests.experiment.layered import FOUR_SETS, FRAME, NAME, RATE, Layered, choices, shard, wav
from tests.test_run import EXPERIMENT, make_tones

FACTS = {NAME: Facts(Layered.card), "logmel": Facts(CARD)}
CHAINS = (CLEAN, PRESETS["gain-12"], PRESETS["snr15"])


def a_second_each(_: Pass) -> float:
    return 1.0


def test_four_layer_sets_of_one_network_are_one_pass_no_deeper_than_the_deepest(tmp_path: Path) -> None:
    asked: list[Pass] = []

    def noted(one: Pass) -> float:
        asked.append(one)
        return 1.0

    made = shard([wav(tmp_path / "a.wav", 2.0)], choices(*FOUR_SETS))
    found = estimate.hearing([made], FACTS, noted)
    assert (found.audio_hours, found.seconds) == (2.0 / 3600, 2.0)
    assert asked == [Pass(NAME, None, None, "float32", "clip", (0, 2, 4, 5, 6))]


def test_every_chain_and_every_way_of_cutting_is_a_pass_of_its_own(tmp_path: Path) -> None:
    cut = RepresentationChoice(NAME, (1,), segment_s=0.5)
    made = shard([wav(tmp_path / "a.wav", 2.0)], [*choices((2,), (3,)), cut, *choices(None, name="logmel")], CHAINS)
    found = estimate.hearing([made], FACTS, a_second_each)
    deformed = 2 * 2.0 * estimate.SECONDS_PER_DEFORMATION
    assert found.seconds == pytest.approx(3 * 3 * 2.0 + deformed), "three passes a chain; a deformation serves all"
    assert found.audio_hours == pytest.approx(2.0 / 3600), "decoded once"


def test_what_cannot_be_read_takes_nothing_and_what_was_computed_elsewhere_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_text("no audio")
    made = shard([tmp_path / "broken.wav"], choices((2,)))
    assert estimate.hearing([made], FACTS, a_second_each) == (0.0, 0.0, 0)
    made = shard([wav(tmp_path / "a.wav")], choices((2,)))
    n_bytes = 2 * FRAME * 4
    assert estimate.hearing([made], {NAME: Facts(Layered.card, by_clip=True)}, a_second_each) == (0.0, 0.0, n_bytes)


@pytest.mark.parametrize("grain", ["clip", "segments", "frames"])
@pytest.mark.parametrize("seconds", [0.005, 1.0, 1.3])
def test_the_bytes_of_a_grain_are_those_that_are_stored(grain: Grain, seconds: float, tmp_path: Path) -> None:
    choice = RepresentationChoice(NAME, (2, 4), segment_s=0.25)
    made = shard([wav(tmp_path / "a.wav", seconds)], [choice])
    wants = tuple(replace(want, key=want.key[::-1], grain=grain) for want in made.works[0].wants)
    made = replace(made, works=(replace(made.works[0], wants=wants),))
    done = work.embed_shard(made, tmp_path / "store")
    assert estimate.hearing([made], FACTS, a_second_each).n_bytes == sum(one.n_bytes for one in done.costs)


def experiment(folder: Path, representations: str) -> Path:
    for number in range(16):
        path = folder / "audio" / ("high", "low")[number % 2] / f"{'x' * (number + 1)}.wav"  # its length is its seed
        path.parent.mkdir(parents=True, exist_ok=True)
        wav(path, 0.5)
    file = folder / "some.yml"
    file.write_text(
        "experiments:\n"
        "  - task: {name: tone, label: label, kind: multiclass}\n"
        f"    datasets: [{{name: folder, dir: {folder / 'audio'}, split_type: [0.5, 0.25, 0.25]}}]\n"
        f"    representations: {representations}\n"
        "    probes: [{kind: mlp, hidden_units: [], epochs: 1}]\n"
        "    seeds: [0]\n"
        "resamples: 5\n"
    )
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    return tmp_path


def test_the_bytes_of_a_plan_are_those_that_the_run_then_stores(home: Path) -> None:
    file = experiment(home, f"[{{name: '{NAME}', layers: [4, 5]}}, {{name: '{NAME}', layers: [6]}}, logmel]")
    planned = estimate.plan(file)
    done = earmark.run(file, quiet=True)
    assert planned.bytes_to_store == sum(one.n_bytes for one in costs.read(done.folder)) > 0
    assert planned.audio_hours == pytest.approx(16 * 0.5 / 3600)
    assert estimate.plan(file).bytes_to_store == 0


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (f"{{name: '{NAME}', layers: [8]}}", r"'layered' has layers 0 to 7; got \[8\]"),
        ("{name: 'tests.experiment.test_estimate:Brief', segment_s: 2}", "takes segments of 0.010 to 1.000 s"),
    ],
)
def test_what_no_clip_could_give_is_said_by_the_plan(home: Path, choice: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        estimate.plan(experiment(home, f"[{choice}]"))


def test_a_network_that_takes_little_at_once_is_timed_on_so_much(home: Path) -> None:
    assert estimate.plan(experiment(home, "['tests.experiment.test_estimate:Brief']")).embed_seconds > 0


def test_a_plan_of_what_is_not_whole_says_that_it_counts_only_what_is_here(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.estimate(estimate.plan(experiment(home, "[logmel, openl3, 'random:mert-tiny']")), as_json=False)
    assert " jobs, counting only what is here: a run needs the missing parts too. Run: " in capsys.readouterr().out
    runs.estimate(estimate.plan(experiment(home, "[logmel]")), as_json=False)
    assert "missing" not in capsys.readouterr().out


class Brief(Layered):
    """Takes a second at most."""

    card = replace(Layered.card, name="brief", max_samples=RATE)

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        base.check_call(audio, layers, self.card)
        return super().__call__(audio, layers)


def test_codelengths_take_more_than_another_fit_and_not_much_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    make_tones(tmp_path / "audio", each=16)
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    fits = earmark.plan(file).probe_seconds
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio").replace("seeds:", "codelength: true\n    seeds:"))
    assert 2 * fits < earmark.plan(file).probe_seconds < 4 * fits, "ten portions, together as long as all clips"
