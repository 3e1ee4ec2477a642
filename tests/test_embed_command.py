"""`earmark embed`, and the same in three lines of Python: files, folders, layers, segments, and three ways to write."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import earmark
from earmark import audio, cli, identity
from earmark.cli.data import layer_numbers
from earmark.errors import UserError
from earmark.representations import base
from earmark.representations.embed import clip_embedding

RATE = 16000
NETWORK = "random:hubert-tiny"  # four layers of 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tones below a folder, one of them deeper, beside what is no audio of the user's."""
    rng = identity.generator("test", "embed")
    (tmp_path / "audio" / "deeper").mkdir(parents=True)
    (tmp_path / "audio" / ".hidden").mkdir()
    for name in ("b.wav", "deeper/a.flac", ".hidden/c.wav"):
        soundfile.write(tmp_path / "audio" / name, 0.1 * rng.standard_normal(2 * RATE), RATE)
    (tmp_path / "audio" / "notes.txt").write_text("no audio by its name")
    return tmp_path / "audio"


def embed(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, ["embed", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr + str(done.exception or "")


def test_a_folder_stands_for_the_audio_in_it_and_below(folder: Path) -> None:
    found = earmark.embed([folder], "logmel")
    assert [path.relative_to(folder).as_posix() for path in found.paths] == ["b.wav", "deeper/a.flac"]
    assert found.vectors.shape == (2, 1, 2, 128)
    assert found.failures == ()


def test_python_and_the_command_write_the_same_as_the_segment_loop(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.npz"
    asked = ("--layers", "1-2,0", "--segment", "0.5", "--hop", "0.25")
    assert embed(folder / "b.wav", "--representation", NETWORK, *asked, "-o", out)[0] == 0
    written = np.load(out)
    in_python = earmark.embed([folder / "b.wav"], NETWORK, layers=[1, 2, 0], segment_s=0.5, segment_hop_s=0.25)
    samples = audio.read(folder / "b.wav", RATE).samples
    naive = clip_embedding(base.load(NETWORK), samples, [1, 2, 0], 0.5, 0.25)
    np.testing.assert_array_equal(written["vectors"], in_python.vectors)
    np.testing.assert_array_equal(in_python.vectors[0], naive)
    assert written["layers"].tolist() == [1, 2, 0]
    assert written["paths"].tolist() == [(folder / "b.wav").as_posix()]
    assert str(written["representation"]) == NETWORK


def test_parquet_has_a_row_for_each_file_and_layer(folder: Path, tmp_path: Path) -> None:
    code, said, _ = embed(folder, "-r", NETWORK, "--layers", "3,1", "-o", tmp_path / "e.parquet")
    frame = pl.read_parquet(tmp_path / "e.parquet")
    vectors = earmark.embed([folder], NETWORK, layers=[3, 1]).vectors
    assert code == 0
    assert "2 files" in said
    assert frame["layer"].to_list() == [3, 1, 3, 1]
    assert frame["path"][2].endswith("deeper/a.flac")
    np.testing.assert_array_equal(np.array(frame["std"].to_list(), np.float32), vectors[:, :, 1].reshape(4, 16))


def test_npy_holds_the_vectors_and_says_what_its_rows_are(folder: Path, tmp_path: Path) -> None:
    code, _, remarks = embed(folder, "-r", "mfcc", "-o", tmp_path / "e.npy")
    assert code == 0
    assert np.load(tmp_path / "e.npy").shape == (2, 1, 2, 20)
    assert "its rows are the files in the order given" in remarks


def test_files_that_cannot_be_embedded_are_listed_and_the_rest_is_written(folder: Path, tmp_path: Path) -> None:
    (folder / "a_text.wav").write_text("not what its name says")
    soundfile.write(folder / "short.wav", np.zeros(100), RATE)
    code, _, remarks = embed(folder, tmp_path / "nowhere.wav", "-r", "logmel", "-o", tmp_path / "e.npz")
    assert code == 3
    assert "3 clips could not be used" in remarks
    assert "short.wav: too short for 'logmel'" in remarks
    assert "nowhere.wav" in remarks
    assert len(np.load(tmp_path / "e.npz")["paths"]) == 2


def test_when_nothing_can_be_embedded_the_file_says_so_by_its_shape(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(100), RATE)
    assert embed(tmp_path / "short.wav", "-r", NETWORK, "--layers", "2", "-o", tmp_path / "e.npz")[0] == 3
    assert np.load(tmp_path / "e.npz")["vectors"].shape == (0, 1, 2, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layers", "4"), "'random:hubert-tiny' has layers 0 to 3; got [4]."),
        (("--layers", "one"), "expected layers such as 6 or 4,5,6 or 4-8, got 'one'"),
        (("--hop", "1"), "Expected the length of a segment beside its hop"),
        (("-o", "e.csv"), "Expected a file that ends in .npz, .npy, .parquet, got 'e.csv'"),
        (("-r", "huber-base"), "Did you mean 'hubert"),
    ],
)
def test_a_mistake_is_told_before_anything_is_embedded(
    arguments: tuple[str, ...], message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, said, remarks = embed(folder, "-r", NETWORK, *arguments)
    assert message in " ".join(remarks.replace("│", " ").split())
    assert said == ""
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


def test_a_folder_without_audio_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no audio: expected files such as"):
        earmark.embed([tmp_path], "logmel")


@pytest.mark.parametrize(
    ("text", "numbers"), [("6", [6]), ("4,5,6", [4, 5, 6]), ("4-6", [4, 5, 6]), (" 9 , 0-1", [9, 0, 1])]
)
def test_layers_are_numbers_and_ranges(text: str, numbers: list[int]) -> None:
    assert layer_numbers(text) == numbers


def test_parts_of_other_rates_and_layers_are_embedded_each_for_itself_and_stand_side_by_side(folder: Path) -> None:
    both = earmark.embed([folder], f"{NETWORK}+logmel", layers=[1, 3])
    deep, plain = earmark.embed([folder], NETWORK, layers=[1, 3]), earmark.embed([folder], "logmel")
    np.testing.assert_array_equal(both.vectors[..., :16], deep.vectors)
    np.testing.assert_array_equal(both.vectors[:, :1, :, 16:], plain.vectors)
    np.testing.assert_array_equal(both.vectors[:, 1:, :, 16:], plain.vectors)
    assert both.card.name == f"{NETWORK}+logmel"


def test_a_file_that_one_part_cannot_embed_is_a_failure_of_the_joined_name(folder: Path) -> None:
    soundfile.write(folder / "short.wav", np.zeros(300), RATE)
    both = earmark.embed([folder], f"{NETWORK}+logmel")
    assert [path.name for path in both.paths] == ["b.wav", "a.flac"]
    assert {Path(one.clip).name for one in both.failures} == {"short.wav"}
