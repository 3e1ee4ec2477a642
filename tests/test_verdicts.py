"""Verdicts that last: kept under the hash of what was checked, shown, warned of, and heeded in a run."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import earmark
from earmark import cli, conformance, identity, places
from earmark.conformance import Verdict, records
from earmark.conformance.representations import LAWS, LAWS_VERSION
from earmark.experiment import costs, one_pass, readiness
from earmark.experiment.study import study
from earmark.representations import base
from earmark.representations.embed import BATCH_ON_GPU
from earmark.representations.logmel import CARD
from earmark.store import Store
from tests.test_conformance import Toy
from tests.test_run import make_tones

KEPT = Verdict("one", None, "Something.")
BROKEN = Verdict("two", "it was 3", "Something else.")
NOT_ASKED = Verdict("three", None, "Nothing.", "its card is short")

EXPERIMENT = """\
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: folder, dir: {folder}, split_type: [0.5, 0.25, 0.25]}}]
    representations: ['{name}', logmel]
    probes: [{{kind: mlp, hidden_units: [], epochs: 2, batch_size: 4}}]
resamples: 5
"""


class Steady(Toy):
    """Keeps every law."""

    card = dataclasses.replace(Toy.card, name="steady")


class MindsItsMates(Toy):
    """Breaks the law of batches, and no other."""

    card = dataclasses.replace(Toy.card, name="minds-its-mates", padding_safe=False)

    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) - audio.mean()


class Moves(Toy):
    """Breaks another law: it writes on what it hears."""

    card = dataclasses.replace(Toy.card, name="moves")

    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio.mul_(0.5))


class IsRandom(Toy):
    """Breaks laws on which that of batches rests."""

    card = dataclasses.replace(Toy.card, name="is-random")

    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) + torch.rand(1)


def name_of(made: type[Toy]) -> str:
    return f"tests.test_verdicts:{made.__name__}"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))


def typed(*words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == exit_code, done.output
    return done.stdout


def checked(made: type[Toy]) -> str:
    """Check a representation as a user does; return the last line."""
    return typed("check", "representation", name_of(made), exit_code=int(made is not Steady)).splitlines()[-1]


def experiment(folder: Path, made: type[Toy]) -> Path:
    make_tones(folder / "audio", each=4)
    file = folder / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=folder / "audio", name=name_of(made)))
    return file


def test_a_verdict_is_read_back_as_it_was(tmp_path: Path) -> None:
    store, found = Store(tmp_path), (KEPT, BROKEN, NOT_ASKED)
    assert records.read(store, CARD, "") is None
    records.write(store, CARD, "", found)
    assert records.read(Store(tmp_path), CARD, "") == found
    records.write(store, CARD, "", (KEPT,))
    assert records.read(store, CARD, "") == (KEPT,), "the last check counts"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("weights_sha256", "another"),
        ("frame_rate_hz", 50.0),
        ("padding_safe", not CARD.padding_safe),
        ("name", "b"),
    ],
)
def test_a_verdict_is_of_one_card_alone(field: str, value: object, tmp_path: Path) -> None:
    records.write(Store(tmp_path), CARD, "", (KEPT,))
    other = dataclasses.replace(CARD, **{field: value})  # type: ignore[arg-type] # the fields' own types
    assert records.read(Store(tmp_path), other, "") is None


def test_a_verdict_is_of_one_code_and_of_the_laws_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    records.write(store, CARD, "code", (KEPT,))
    assert records.read(store, CARD, "other code") is None
    assert records.read(store, CARD, "code") == (KEPT,)
    monkeypatch.setattr(records, "LAWS_VERSION", LAWS_VERSION + 1)
    assert records.read(store, CARD, "code") is None


def test_laws_of_other_names_are_of_another_version() -> None:
    names = identity.key_of(laws=[law.name for law in LAWS])
    assert (LAWS_VERSION, names) == (1, "4f55b100118e251e2aff07a3ce4c743f"), (
        "raise LAWS_VERSION: kept verdicts are of other laws"
    )


def test_a_card_with_impossible_numbers_can_be_judged_too(tmp_path: Path) -> None:
    card = dataclasses.replace(CARD, frame_rate_hz=float("nan"), version=object())  # type: ignore[arg-type] # a fault
    records.write(Store(tmp_path), card, "", (BROKEN,))
    assert records.read(Store(tmp_path), card, "") == (BROKEN,)


def test_a_file_says_what_was_judged_and_under_which_versions(tmp_path: Path) -> None:
    card = dataclasses.replace(CARD, weights_sha256="abc")
    records.write(Store(tmp_path), card, "", (KEPT, NOT_ASKED))
    (file,) = (tmp_path / "verdicts").glob("*.json")
    said = json.loads(file.read_text())
    assert (said["representation"], said["card_version"], said["weights_sha256"]) == ("logmel", CARD.version, "abc")
    assert (said["laws_version"], said["earmark"], said["torch"]) == (1, earmark.__version__, torch.__version__)
    assert said["laws"][1] == {"law": "three", "broken": None, "matters": "Nothing.", "not_asked": "its card is short"}


def test_a_summary_counts_what_was_kept_and_names_what_was_broken() -> None:
    assert conformance.summary((KEPT,)) == "1 of 1 laws kept"
    assert conformance.summary((KEPT, NOT_ASKED, BROKEN)) == "1 of 3 laws kept, 1 broken (two), 1 not asked"
    assert conformance.summary(()) == "no law applies"


def test_a_description_says_how_the_last_check_here_ended() -> None:
    before = typed("describe", "representation", name_of(Steady))
    assert f"checked: never here. Type: earmark check representation {name_of(Steady)}" in before
    last = checked(Steady)
    found = conformance.laws_of_representation(Steady())
    assert last == f"{name_of(Steady)}: {conformance.summary(found)}"
    after = typed("describe", "representation", name_of(Steady))
    assert f"checked: {sum(one.holds for one in found)} of {len(LAWS)} laws kept\n" in after
    as_json = json.loads(typed("describe", "representation", name_of(Steady), "--json"))
    assert [Verdict(**one) for one in as_json["verdicts"]] == list(found)
    assert as_json["name"] == "steady"


def test_a_description_names_the_laws_that_were_broken() -> None:
    checked(MindsItsMates)
    said = typed("describe", "representation", name_of(MindsItsMates))
    assert "checked: 18 of 21 laws kept, 1 broken (batch), 2 not asked\n" in said


def test_a_description_of_what_is_not_here_says_what_to_type() -> None:
    said = typed("describe", "representation", "hubert-base")
    assert "checked: not here yet: The weights of 'hubert-base'" in said
    assert json.loads(typed("describe", "representation", "hubert-base", "--json"))["verdicts"] is None
    done = CliRunner().invoke(cli.app, ["describe", "representation", "path:no/where"])
    assert "Expected a folder after path:" in str(done.exception), "a name that has no card until it is loaded"


def test_an_experiment_is_warned_of_broken_laws_and_of_no_others(tmp_path: Path) -> None:
    file = experiment(tmp_path, MindsItsMates)
    assert not any("laws" in note for note in study(file).notes), "nothing was checked yet"
    checked(Steady)
    typed("check", "representation", "logmel")
    checked(MindsItsMates)
    (said,) = [note for note in study(file).notes if "laws" in note]
    assert said.startswith(f"{name_of(MindsItsMates)}: ")
    assert "1 broken (batch)" in said
    assert f"`earmark check representation {name_of(MindsItsMates)}`" in said


def test_only_what_broke_is_warned_of() -> None:
    assert list(readiness.broken_laws({"a": (KEPT, NOT_ASKED), "b": ()})) == []
    assert len(list(readiness.broken_laws({"a": (KEPT, BROKEN), "b": (BROKEN,)}))) == 2


@pytest.mark.parametrize(
    ("device", "is_batchable", "batch"),
    [("cpu", True, 1), ("cpu", False, 1), ("cuda", True, BATCH_ON_GPU), ("cuda", False, 1)],
)
def test_a_batch_is_large_where_there_is_a_gpu_and_it_changes_no_number(
    device: str, is_batchable: bool, batch: int
) -> None:
    assert one_pass.batch_of(device, is_batchable=is_batchable) == batch


@pytest.mark.parametrize(
    ("made", "is_alone"), [(Steady, False), (Moves, False), (MindsItsMates, True), (IsRandom, True)]
)
def test_what_minds_its_mates_or_could_not_be_asked_goes_alone(made: type[Toy], is_alone: bool, tmp_path: Path) -> None:
    file = experiment(tmp_path, made)
    assert study(file).alone == frozenset()
    checked(made)
    assert study(file).alone == (frozenset({name_of(made)}) if is_alone else frozenset())


def test_a_run_on_a_gpu_heeds_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = experiment(tmp_path, MindsItsMates)
    monkeypatch.setattr(one_pass, "device_of", lambda network: torch.device("cuda"))  # decides the batch; none is here
    together = {one.representation: one.batch for one in costs.read(earmark.run(file, run_id="a", quiet=True).folder)}
    assert together == {name_of(MindsItsMates): BATCH_ON_GPU, "logmel": BATCH_ON_GPU}
    checked(MindsItsMates)
    run = earmark.run(file, run_id="b", overwrite="always", quiet=True)
    alone = {one.representation: one.batch for one in costs.read(run.folder)}
    assert alone == {name_of(MindsItsMates): 1, "logmel": BATCH_ON_GPU}


def test_the_key_of_a_class_of_ones_own_is_that_of_its_file(tmp_path: Path) -> None:
    checked(Steady)
    found = base.load(name_of(Steady))
    assert records.read(Store(places.store_folder()), found.card, base.code_sha256(found)) is not None
    assert records.read(Store(places.store_folder()), found.card, "") is None
