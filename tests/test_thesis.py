"""The thesis' experiments on miniatures of its datasets: the same loaders, splits and code as on the real ones."""

from pathlib import Path

import pytest

import earmark
from earmark.experiment import estimate, spec
from earmark.probes.base import told
from tests.miniatures import beatport_key, magnatagatune, tinysol, vocalset
from tests.real_weights import fetched

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
MINIATURES = {
    "magnatagatune": magnatagatune,
    "beatport_key": beatport_key,
    "tinysol": tinysol,
    "vocalset": vocalset,
}
SMALL = (
    "experiments.*.representations=[logmel]",
    "experiments.*.probes=[{preset: mir_ref-fixed, only: [M1], epochs: 2}]",
    "experiments.*.seeds=[0]",
    "resamples=20",
)


@pytest.fixture(scope="module")
def musicnn() -> Path:
    """The folder of MusiCNN's weights in the tests' own home."""
    return fetched("musicnn-msd")


@pytest.fixture
def miniatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The four datasets under data/ of the current folder, which is also the home's."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    for name, miniature in MINIATURES.items():
        miniature.make(tmp_path / "data" / name)
    return tmp_path


@pytest.mark.parametrize("name", ["thesis", "thesis_appendix"])
def test_without_datasets_and_with_models_to_come_it_plans_and_says_what_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = estimate.plan(EXPERIMENTS / f"{name}.yml")
    assert {one.name.replace("_", "-") for one in found.missing if one.noun == "dataset"} == {
        "magnatagatune",
        "beatport-key",
        "tinysol",
        "vocalset",
    }
    assert {"openl3", "clmr-v2", "mert-v1-95m"} <= {one.name for one in found.missing if one.noun == "representation"}
    assert found.jobs == 0


def test_only_the_appendix_compresses_what_is_compressed_already() -> None:
    warned = {
        name: [note for note in _notes(EXPERIMENTS / f"{name}.yml") if "32 kbps already" in note]
        for name in ("thesis", "thesis_appendix")
    }
    assert [len(warned["thesis"]), len(warned["thesis_appendix"])] == [0, 1]


def _notes(file: Path) -> tuple[str, ...]:
    return estimate.plan(file).notes


def test_the_two_files_ask_for_the_same_ten_representations_and_five_probes() -> None:
    ours, theirs = (spec.load(EXPERIMENTS / f"{name}.yml") for name in ("thesis", "thesis_appendix"))
    for one, other in zip(ours.blocks, theirs.blocks, strict=True):
        chosen = [{(choice.name, choice.layers) for choice in block.representations} for block in (one, other)]
        assert chosen[0] == chosen[1]
        hidden = [
            {tuple(told(probe.recipe).get("hidden_units", ())) for probe in block.probes} for block in (one, other)
        ]
        assert hidden[0] == hidden[1]
        assert one.task.task.label == other.task.task.label
        assert one.task.task.kind == other.task.task.kind


@pytest.mark.slow
@pytest.mark.parametrize("name", ["thesis", "thesis_appendix"])
def test_on_miniatures_it_runs_to_its_six_tables(name: str, miniatures: Path) -> None:
    done = earmark.run(EXPERIMENTS / f"{name}.yml", overrides=SMALL, quiet=True)
    assert not done.failures
    probed = [row for row in done.rows if row.probe != "constant" and row.label is None and row.seed is None]
    assert len({row.task for row in probed}) == 6
    assert {row.unverified for row in probed} == {True}, "a miniature's numbers must not pass for the dataset's"
    assert {row.dataset.replace("_", "-") for row in probed} == {
        "magnatagatune",
        "beatport-key",
        "tinysol",
        "vocalset",
    }
    n_conditions = {row.task: {other.deformation for other in probed if other.task == row.task} for row in probed}
    tagging = next(task for task in n_conditions if "magnatagatune" in task or task == "autotagging")
    assert len(n_conditions.pop(tagging)) == (4 if name == "thesis" else 5)
    assert {len(conditions) for conditions in n_conditions.values()} == {5}


def test_a_table_of_a_miniature_says_that_it_is_unverified(miniatures: Path) -> None:
    probe = "{preset: mir_ref-fixed, only: [M1], epochs: 1}"
    one = f"{{task: tinysol_instrument, representations: [logmel], probes: [{probe}]}}"
    done = earmark.run(EXPERIMENTS / "thesis.yml", overrides=[f"experiments=[{one}]", "resamples=20"], quiet=True)
    assert "UNVERIFIED: this copy of tinysol was never counted" in earmark.table(done)


@pytest.mark.parametrize("name", ["thesis", "thesis_appendix"])
def test_with_the_datasets_here_and_the_models_missing_it_plans(name: str, miniatures: Path) -> None:
    found = estimate.plan(EXPERIMENTS / f"{name}.yml")
    assert {one.noun for one in found.missing} == {"representation"}


@pytest.mark.slow
def test_on_miniatures_mert_of_random_weights_runs_in_the_layer_sets_of_the_thesis(miniatures: Path) -> None:
    mert = "[{name: 'random:mert-tiny', layers: [0, 1]}, {name: 'random:mert-tiny', layers: [1]}]"
    done = earmark.run(
        EXPERIMENTS / "thesis.yml", overrides=(f"experiments.*.representations={mert}", *SMALL[1:]), quiet=True
    )
    assert not done.failures
    assert {row.layer for row in done.rows if row.probe != "constant"} == {"0,1", "1"}
    assert len({row.task for row in done.rows}) == 6


@pytest.mark.slow
def test_on_miniatures_the_real_musicnn_runs_under_every_deformation(musicnn: Path, miniatures: Path) -> None:
    (miniatures / "weights").mkdir()
    (miniatures / "weights" / "musicnn-msd").symlink_to(musicnn)
    overrides = ("experiments.*.representations=[musicnn-msd]", *SMALL[1:])
    done = earmark.run(EXPERIMENTS / "thesis.yml", overrides=overrides, quiet=True)
    assert not done.failures
    scored = [row for row in done.rows if row.representation == "musicnn-msd" and row.label is None]
    conditions = {row.task: {other.deformation for other in scored if other.task == row.task} for row in scored}
    assert sorted(map(len, conditions.values())) == [4, 5, 5, 5, 5, 5]
