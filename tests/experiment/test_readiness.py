"""What of an experiment is not here: a plan lists it, a run refuses it whole."""

from pathlib import Path

import pytest

from earmark.datasets.base import Dataset
from earmark.errors import MissingPart
from earmark.experiment import estimate, readiness, spec
from earmark.experiment import run as running
from earmark.experiment.presets import presets
from earmark.experiment.readiness import Missing

TEXT = """\
experiments:
  - {task: studio_family, representations: [logmel, openl3], probes: [{preset: mir_ref-fixed, only: [M1]}]}
  - {task: tinysol_instrument, representations: [openl3, clmr-v2], probes: [{preset: mir_ref-fixed}]}
"""
MP3 = """\
experiments:
  - task: magnatagatune_top50
    deformations: [mp3-32k, snr0]
    representations: [logmel]
    probes: [{preset: mir_ref-fixed}]
  - {task: beatport_key, deformations: [mp3-32k], representations: [logmel], probes: [{preset: mir_ref-fixed}]}
"""


def experiment(text: str) -> spec.Experiment:
    return spec.parse(text, Path("some.yml"))


def only_studio(name: str, folder: Path | None) -> Dataset:
    if name != "studio":
        raise MissingPart(f"Dataset '{name}' is not here.")
    return Dataset(name, "1", Path(), ())


def test_what_is_not_here_is_named_once_and_the_rest_stays() -> None:
    left, missing = readiness.without_missing(experiment(TEXT), only_studio)
    assert [(one.noun, one.name) for one in missing] == [
        ("representation", "openl3"),
        ("dataset", "tinysol"),
        ("representation", "clmr-v2"),
    ]
    assert [[one.name for one in block.representations] for block in left.blocks] == [["logmel"], []]
    assert [len(block.datasets) for block in left.blocks] == [1, 0]


def test_a_block_whose_representations_are_all_missing_is_left_empty_and_plans() -> None:
    def all_are_here(name: str, folder: Path | None) -> Dataset:
        return Dataset(name, "1", Path(), ())

    left, missing = readiness.without_missing(experiment(TEXT), all_are_here)
    assert [len(block.datasets) for block in left.blocks] == [1, 0]
    assert {one.noun for one in missing} == {"representation"}


def test_the_refusal_names_every_part_and_what_to_do() -> None:
    error = readiness.refusal((Missing("dataset", "tinysol", "Type: earmark get dataset tinysol"),))
    assert error.exit_code == 4
    assert "dataset tinysol: Type: earmark get dataset tinysol" in str(error)


def test_a_run_of_what_is_not_whole_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "some.yml"
    file.write_text(TEXT.replace("studio_family", "vocalset_singer"))
    with pytest.raises(MissingPart, match="4 parts of this experiment are not here"):
        running.run(file, unverified=True)
    assert not (tmp_path / "runs").exists()
    found = estimate.plan(file)
    assert {one.name for one in found.missing} == {"openl3", "clmr-v2", "tinysol", "vocalset"}
    assert found.jobs == 0


def test_an_mp3_round_trip_of_such_an_mp3_is_warned_of_and_of_a_better_one_is_not() -> None:
    (said,) = readiness.cautions(experiment(MP3))
    assert "'mp3-32k'" in said
    assert "magnatagatune" in said


def notes_of(task: str, probes: str, representation: str = "logmel") -> list[str]:
    block = f"{{task: {task}, representations: [{representation}], probes: [{probes}]}}"
    return list(readiness.cautions(experiment(f"experiments: [{block}]\n")))


def test_a_protocol_of_which_only_the_probes_are_followed_is_said() -> None:
    (averaged,) = notes_of("studio_family", "{preset: marble1, only: [gtzan]}, mir_ref, {kind: knn}")
    assert averaged == (
        "studio_family: marble1 is published with aggregation: prediction; here it is aggregation: embedding_mean. "
        "Only its probes are the protocol's."
    )
    (cut,) = notes_of("studio_pitch", "{preset: mule2022~20, only: [nsynth_pitch]}", "{name: logmel, segment_s: 2}")
    assert cut == (
        "studio_pitch: mule2022~20/nsynth_pitch is published with segment_s: 1, segment_hop_s: 1; here it is "
        "segment_s: 2, no segment_hop_s. Only its probes are the protocol's."
    )


def test_a_protocol_that_is_followed_is_not_remarked_upon() -> None:
    cut, notes = ("{{name: logmel, segment_s: {}, segment_hop_s: {}}}".format(*one) for one in ((3, 2), (1, 1)))
    assert notes_of("studio_key", "{preset: mule2022, only: [giantsteps_key]}", cut) == []
    assert notes_of("studio_pitch", "{preset: mule2022, only: [nsynth_pitch]}", notes) == []
    averaged = "{name: studio_key, aggregation: prediction}"
    assert notes_of(averaged, "{preset: marble2-fixed~9, only: [giantsteps_key]}") == []


@pytest.mark.parametrize("name", list(presets()))
def test_all_that_a_preset_says_beside_its_probes_is_compared_with_the_block(name: str) -> None:
    kept = [probe for probe in presets()[name].names if probe in ("gtzan", "M1", "linear", name)]
    (block,) = experiment(
        f"experiments: [{{task: studio_family, representations: [logmel], "
        f"probes: [{{preset: {name}, only: [{', '.join(kept)}]}}]}}]"
    ).blocks
    for key in presets()[name].defaults:
        assert hasattr(block.task if key == "aggregation" else block.representations[0], key)
