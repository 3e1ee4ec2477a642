"""`earmark analyse layers` and `codes`, and the same in Python: what is compared, what chance gives, what is said."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from earmark import audio, cli, identity
from earmark.analysis import cca, stats
from earmark.catalogue import codes as counting
from earmark.catalogue import layers as comparing
from earmark.catalogue import recordings
from earmark.catalogue.recordings import Recordings
from earmark.errors import DataError, UserError
from earmark.nouns import Clip
from earmark.representations import base
from earmark.representations._speech import Speech
from earmark.representations.encodec import Encodec

RATE = 16000
NETWORK, CODEC = "random:wav2vec2-tiny", "random:encodec-tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings of each of two classes, noise of two colours, of six seconds and of one."""
    rng = identity.generator("test", "analyse")
    for name in ("dark", "light"):
        (tmp_path / "audio" / name).mkdir(parents=True)
        for number, seconds in enumerate((6, 1, 2)):
            noise = 0.1 * rng.standard_normal(seconds * RATE)
            samples = np.cumsum(noise) / 30 if name == "dark" else noise
            soundfile.write(tmp_path / "audio" / name / f"{number}.wav", np.clip(samples, -1, 1), RATE)
    return tmp_path / "audio"


def analyse(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, ["analyse", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr + str(done.exception or "")


def labelled(folder: Path) -> Recordings:
    return recordings.of_dataset("folder", folder, "label")


def test_the_middle_of_a_recording_is_as_far_from_both_ends_and_a_short_one_is_whole(folder: Path) -> None:
    whole = audio.read(folder / "dark" / "0.wav", RATE).samples
    clip = Clip("0", folder / "dark" / "0.wav")
    np.testing.assert_array_equal(recordings.middle(clip, RATE, 4.0), whole[RATE : 5 * RATE])
    np.testing.assert_array_equal(recordings.middle(clip, RATE, None), whole)
    np.testing.assert_array_equal(recordings.middle(clip, RATE, 7.0), whole)
    region = replace(clip, start_s=1.0, end_s=4.0)
    np.testing.assert_array_equal(recordings.middle(region, RATE, 1.0), whole[2 * RATE : 3 * RATE])


def test_recordings_that_are_drawn_are_always_the_same_and_part_of_more(folder: Path) -> None:
    found = recordings.of_files([folder])
    few, more = ({clip.id for clip in recordings.drawn(found, n).clips} for n in (2, 4))
    assert len(few) == 2
    assert few < more
    backwards = replace(found, clips=found.clips[::-1])
    assert recordings.drawn(backwards, 2) == recordings.drawn(found, 2)
    with pytest.raises(UserError, match="Expected 1 to 6 recordings of files, got 7"):
        recordings.drawn(found, 7)


def test_layers_are_held_against_an_earlier_one_as_by_hand(folder: Path) -> None:
    heard = recordings.of_files([folder / "dark"])
    found = comparing.layers(heard, [NETWORK], against="1", measure="cka")
    network = base.load(NETWORK)
    frames = np.concatenate(
        [recordings.frames(network, recordings.middle(clip, RATE, 4.0)) for clip in heard.clips], axis=1
    )
    assert [row.layer for row in found.rows] == [0, 2, 3]
    for row in found.rows:
        assert row.value == pytest.approx(cca.cka(cca.covariances(frames[1], frames[row.layer])), abs=1e-9)
        assert (row.n_frames, row.n_recordings) == (frames.shape[1], 3)
        assert (row.dim, row.dim_against, row.weighting) == (16, 16, None)


def test_a_layer_is_held_against_the_frames_of_other_recordings_for_chance(folder: Path) -> None:
    heard = recordings.of_files([folder / "light"])
    (row, *_) = comparing.layers(heard, [NETWORK], against="0", measure="cca").rows
    network = base.load(NETWORK)
    frames = [recordings.frames(network, recordings.middle(clip, RATE, 4.0)) for clip in heard.clips]
    others = [frames[place - 1][0] for place in range(3)]  # the first is held against the last
    others = [one[list(recordings.nearest(own.shape[1], len(one)))] for one, own in zip(others, frames, strict=True)]
    both = cca.covariances(np.concatenate(others), np.concatenate([one[1] for one in frames]))
    assert row.by_others == pytest.approx(cca.cca(both), abs=1e-9)
    assert row.value is not None
    assert row.by_others is not None
    assert row.by_gaussians is not None
    assert row.value > row.by_others > row.by_gaussians


def test_a_single_recording_has_no_others_and_is_few_frames(folder: Path) -> None:
    found = comparing.layers(recordings.of_files([folder / "light" / "1.wav"]), [NETWORK], middle_s=0.5)
    assert {row.by_others for row in found.rows} == {None}
    assert "Chance alone gives 'random:wav2vec2-tiny' up to 0." in found.notes[0]
    assert "Give more recordings" in found.notes[0]


def test_the_convolutions_are_what_goes_into_the_projection() -> None:
    network = base.load(NETWORK)
    assert isinstance(network, Speech)
    sound = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    found = network.convolutions(sound)
    seen: list[torch.Tensor] = []
    projection = network.network.get_submodule("feature_projection")
    hook = projection.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(sound)
    hook.remove()
    assert found.shape == (1, 1 + (4000 - 400) // 320, 32)
    torch.testing.assert_close(found, seen[0], rtol=0, atol=0)


def test_layers_are_held_against_the_convolutions_of_their_own_network(folder: Path) -> None:
    found = comparing.layers(recordings.of_files([folder]), [NETWORK, "random:hubert-tiny"], against="convolutions")
    assert [(row.representation, row.layer) for row in found.rows] == [
        (name, layer) for name in (NETWORK, "random:hubert-tiny") for layer in range(4)
    ]
    assert {row.dim_against for row in found.rows} == {32}


def test_layers_are_held_against_another_representation_at_another_rate(folder: Path) -> None:
    found = comparing.layers(
        recordings.of_files([folder]), ["random:hubert-tiny"], against=CODEC, against_layer=2, middle_s=1.0
    )
    assert {row.against for row in found.rows} == {f"{CODEC}, layer 2"}
    assert {row.n_frames for row in found.rows} == {6 * 49}
    itself = comparing.layers(recordings.of_files([folder]), ["logmel"], against="logmel")
    assert itself.rows[0].value == pytest.approx(1.0, abs=1e-9)


def test_frames_are_matched_by_their_place_in_time() -> None:
    assert list(recordings.nearest(3, 3)) == [0, 1, 2]
    assert list(recordings.nearest(2, 6)) == [1, 4]
    assert list(recordings.nearest(4, 2)) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("name", "against", "layer", "message"),
    [
        (NETWORK, "4", 0, "has layers 0 to 3; got 4 to hold them against"),
        ("logmel", "0", 0, "'logmel' has layer 0 alone: hold it against another one"),
        ("logmel", "convolutions", 0, "'logmel' shows no convolutions of its own"),
        (NETWORK, CODEC, 3, "has layers 0 to 2; got 3 to hold others against"),
        (NETWORK, "logmell", 0, "Did you mean 'logmel'"),
    ],
)
def test_what_cannot_be_compared_is_said(folder: Path, name: str, against: str, layer: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        comparing.layers(recordings.of_files([folder]), [name], against=against, against_layer=layer)


def test_recordings_that_cannot_be_used_are_listed_and_the_rest_is_compared(folder: Path, tmp_path: Path) -> None:
    (folder / "a_text.wav").write_text("not what its name says")
    soundfile.write(folder / "short.wav", np.zeros(100), RATE)
    code, said, remarks = analyse("layers", folder, "-r", NETWORK, "-o", tmp_path / "l.json")
    assert code == 3
    assert "2 clips could not be used" in remarks
    assert {row["n_recordings"] for row in json.loads((tmp_path / "l.json").read_text())["rows"]} == {6}
    assert NETWORK in said
    code, _, remarks = analyse("layers", folder / "short.wav", "-r", NETWORK)
    assert code != 0
    assert "No recording could be used by 'random:wav2vec2-tiny'. The first:" in remarks


def test_the_command_prints_writes_and_draws_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    asked = ("layers", folder, "-r", NETWORK, "-r", "random:hubert-tiny", "--against", "convolutions", "--middle", "0")
    code, said, _ = analyse(*asked, "--json", "-o", tmp_path / "l.csv", "--plot", tmp_path / "l.svg")
    found = comparing.layers(
        recordings.of_files([folder]), [NETWORK, "random:hubert-tiny"], against="convolutions", middle_s=None
    )
    assert code == 0
    assert [row["value"] for row in json.loads(said)["rows"]] == [row.value for row in found.rows]
    with (tmp_path / "l.csv").open(newline="") as file:
        assert [float(row["by_others"]) for row in csv.DictReader(file)] == [row.by_others for row in found.rows]
    assert "chance" in (tmp_path / "l.svg").read_text()


def test_codes_are_counted_as_by_hand(folder: Path) -> None:
    found = counting.codes(labelled(folder), CODEC, "label", groups=[0, 1])
    network = base.load(CODEC)
    assert isinstance(network, Encodec)
    naive: dict[tuple[tuple[int, ...], str], int] = {}
    for clip in labelled(folder).clips:
        samples = torch.from_numpy(recordings.middle(clip, network.card.sample_rate, 4.0))[None]
        for code in network.codes(samples)[0, :2].T.tolist():
            naive[tuple(code), str(clip.targets["label"])] = naive.get((tuple(code), str(clip.targets["label"])), 0) + 1
    counts = found.counts
    assert counts.labels == ("dark", "light")
    assert {
        (tuple(code), label): n
        for code, line in zip(counts.codes.tolist(), counts.frames.tolist(), strict=True)
        for label, n in zip(counts.labels, line, strict=True)
        if n
    } == naive
    assert [row.groups for row in found.rows] == [(0, 1), (0,), (1,), (2,), (3,)]
    assert [row.n_possible for row in found.rows] == [1024**2, *[1024] * 4]
    assert found.rows[0].found.n_frames == sum(naive.values())


def test_of_a_codec_the_first_group_leads_and_codes_tell_dark_from_light(folder: Path) -> None:
    found = counting.codes(labelled(folder), CODEC, "label")
    assert [row.groups for row in found.rows] == [(0,), (1,), (2,), (3,)]
    assert found.rows[0].found.pnmi > found.rows[0].chance.pnmi + 0.05


@pytest.mark.parametrize(
    ("name", "groups", "message"),
    [
        ("logmel", None, "'logmel' has no codes. Codecs have, such as encodec-24khz"),
        (CODEC, [0, 4], r"has groups 0 to 3, each to be given once; got \[0, 4\]"),
        (CODEC, [1, 1], r"each to be given once; got \[1, 1\]"),
    ],
)
def test_codes_that_are_not_there_are_said(folder: Path, name: str, groups: list[int] | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        counting.codes(labelled(folder), name, "label", groups=groups)


def test_codes_want_one_class_of_each_recording(folder: Path) -> None:
    clips = labelled(folder).clips
    several = Recordings("x", (replace(clips[0], targets={"label": ("a", "b")}),))
    with pytest.raises(DataError, match=r"one class for each recording; 'label' of 'dark/0.wav' is \('a', 'b'\)"):
        counting.codes(several, CODEC, "label")
    with pytest.raises(DataError, match=r"has no 'pitch'\. Give a dataset's clips"):
        counting.codes(labelled(folder), CODEC, "pitch")


def test_the_command_writes_counts_and_draws_them(folder: Path, tmp_path: Path) -> None:
    asked = ("codes", "-r", CODEC, "--dataset", "folder", "--dir", folder, "--label", "label", "--groups", "1,0")
    for number, more in enumerate(((), ("--by-frames",))):
        assert analyse(*asked, *more, "--plot", tmp_path / f"{number}.svg", "-o", tmp_path / "c.json")[0] == 0
    written = json.loads((tmp_path / "c.json").read_text())
    assert (tmp_path / "0.svg").read_text() != (tmp_path / "1.svg").read_text()
    assert written["groups"] == [1, 0]
    assert np.sum(written["frames"]) == written["rows"][0]["n_frames"]
    assert len(written["codes"]) == written["rows"][0]["n_used"]
    assert analyse(*asked, "-o", tmp_path / "c.csv")[0] == 0
    with (tmp_path / "c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["code"] for row in rows] == ["-".join(map(str, code)) for code in written["codes"]]
    assert [[int(row[label]) for label in written["labels"]] for row in rows] == written["frames"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("layers",), "give a representation with layers"),
        (("layers", "-r", NETWORK), "give audio files or folders, or --dataset NAME"),
        (("layers", "x.wav", "-r", NETWORK, "--plot", "x.gif"), "ends in .svg, .png, .html, .json, got 'x.gif'"),
        (("layers", "x.wav", "-r", NETWORK, "-o", "x.xls"), "ends in .json, .csv, got 'x.xls'"),
        (("codes", "-r", CODEC, "--dataset", "studio", "--label", "family", "--groups", "a"), "got 'a'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_heard(arguments: tuple[str, ...], message: str) -> None:
    code, said, remarks = analyse(*arguments)
    assert code != 0
    assert message in " ".join(remarks.replace("│", " ").split())
    assert said == ""


def test_an_interval_is_of_leaving_out_a_part_at_a_time(folder: Path) -> None:
    heard = recordings.of_files([folder])
    part_of = recordings.parts(heard.clips, [recordings.heard_s(clip, 4.0) for clip in heard.clips])
    assert sorted(part_of) == [0, 1, 2, 3, 4, 5]
    found = comparing.layers(heard, [NETWORK], against="1", measure="cka").rows[0]
    network = base.load(NETWORK)
    frames = [recordings.frames(network, recordings.middle(clip, RATE, 4.0)) for clip in heard.clips]

    def by_hand(some: list[np.ndarray]) -> float:
        joined = np.concatenate(some, axis=1)
        return cca.cka(cca.covariances(joined[1], joined[0]))

    value = by_hand(frames)
    expected = stats.jackknife(value, [by_hand(frames[:place] + frames[place + 1 :]) for place in range(6)])
    assert (found.value, found.low, found.high) == pytest.approx((value, expected.low, expected.high), abs=1e-9)
    assert found.n_parts == 6
    plain = comparing.layers(heard, [NETWORK], against="1", measure="cka", intervals=False).rows[0]
    assert (plain.low, plain.high, plain.n_parts) == (None, None, 1)
    assert plain.value == pytest.approx(value, abs=1e-9)


def test_recordings_of_one_group_are_never_apart() -> None:
    clips = [Clip(str(number), Path("a.wav"), group=f"artist {number // 3}") for number in range(60)]
    found = recordings.parts(clips, [4.0] * 60)
    assert [len({int(part) for part in found[at : at + 3]}) for at in range(0, 60, 3)] == [1] * 20
    assert sorted(np.bincount(found)) == [6] * 4 + [9] * 4
    assert recordings.parts(clips[::-1], [4.0] * 60).tolist() == found.tolist()[::-1]


@given(
    lengths=st.lists(st.floats(0.1, 300.0), min_size=1, max_size=80),
    n_groups=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_parts_differ_by_one_group_at_most_whatever_the_order(lengths: list[float], n_groups: int, seed: int) -> None:
    clips = [Clip(str(n), Path("a.wav"), group=f"artist {n % n_groups}") for n in range(len(lengths))]
    found = recordings.parts(clips, lengths)
    of_groups = np.bincount([n % n_groups for n in range(len(lengths))], lengths)
    filled = np.bincount(found, lengths)
    assert set(found.tolist()) == set(range(min(recordings.PARTS, len(of_groups))))
    assert filled.max() - filled.min() <= of_groups.max() * (1 + 1e-9)
    order = np.random.default_rng(seed).permutation(len(clips))
    again = recordings.parts([clips[place] for place in order], [lengths[place] for place in order])
    assert again.tolist() == found[order].tolist()


def test_one_long_recording_is_left_out_alone() -> None:
    clips = [Clip(str(number), Path("a.wav")) for number in range(36)]
    found = recordings.parts(clips, [35.0 if number == 7 else 1.0 for number in range(36)], most=2)
    assert [number for number in range(36) if found[number] == found[7]] == [7]


def test_a_piece_is_as_long_as_it_is_heard(folder: Path) -> None:
    for clip in recordings.of_files([folder]).clips:
        for seconds in (0.5, 4.0, None):
            heard = len(recordings.middle(clip, RATE, seconds)) / RATE
            assert recordings.heard_s(clip, seconds) == pytest.approx(heard, abs=1 / RATE)
    assert recordings.heard_s(Clip("none", folder / "none.wav"), 4.0) == 0.0


def test_purity_and_information_have_intervals(folder: Path) -> None:
    found = counting.codes(labelled(folder), CODEC, "label").rows[0]
    assert found.n_parts == 6
    assert found.intervals.keys() == {"label_purity", "code_purity", "information_bits", "pnmi"}
    low, high, *_ = found.intervals["label_purity"]
    assert low < found.found.label_purity < high
    code, out, _ = analyse("codes", "-r", CODEC, "--dataset", "folder", "--dir", folder, "--label", "label", "--quiet")
    assert code == 0
    assert f"{low:.3f} – {high:.3f}" in " ".join(out.split())


def test_progress_is_shown_unless_it_is_not_wanted_and_a_gpu_must_be_there(folder: Path) -> None:
    for verb in (("layers", folder), ("codes", "--dataset", "folder", "--dir", folder, "--label", "label")):
        network = NETWORK if verb[0] == "layers" else CODEC
        assert ": 6/6" in analyse(*verb, "-r", network)[2]
        assert "6/6" not in analyse(*verb, "-r", network, "--quiet")[2]
        if not torch.cuda.is_available():
            code, _, said = analyse(*verb, "-r", network, "--device", "cuda")
            assert (code, "Expected a GPU for device 'cuda'" in said) == (1, True)
