"""A fine-tuning in one file: what of it is packed, that it is read like any run, and fine-tuning again."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.bundles.archive import bundle, unpack
from earmark.bundles.reproduction import reproduce
from earmark.errors import DataError, UserError
from earmark.experiment import finetune, results
from earmark.runs.compare import compare
from earmark.runs.diff import diff
from tests.test_bundles import repacked
from tests.test_run import make_tones

CONFIG = """\
name: tones
representation: random:wav2vec2-tiny
task: {{name: tone, label: label, kind: multiclass}}
datasets: [{{name: folder, dir: {folder}, split_type: [0.5, 0.25, 0.25]}}]
modes: [FE, full]
body_learning_rate: 1.0e-2
head_learning_rate: 1.0e-2
batch_size: 4
epochs: 2
resamples: 20
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with audio, a run and its bundle."""
    folder = tmp_path_factory.mktemp("finetuned")
    make_tones(folder / "audio")
    (folder / "tones.yml").write_text(CONFIG.format(folder=folder / "audio"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(folder / "home"))
        patch.setenv("EARMARK_RUNS", str(folder / "runs"))
        finetune.finetune(folder / "tones.yml", quiet=True)
        bundle("tones", folder / "tones.zip")
    return folder


@pytest.fixture
def packed(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made / "runs", tmp_path / "runs")
    monkeypatch.setenv("EARMARK_HOME", str(made / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    return made / "tones.zip"


def test_a_bundle_holds_what_was_asked_learnt_and_scored_and_no_weights(packed: Path) -> None:
    with zipfile.ZipFile(packed) as found:
        names = set(found.namelist())
        readme = found.read("README.md").decode()
        citations = found.read("citations.bib").decode()
    assert {name for name in names if not name.startswith("predictions/")} == {
        *("finetune.yml", "data.jsonl", "results.jsonl", "failures.jsonl", "leakage.json", "environment.json"),
        *("ingredients.json", "manifest.json", "README.md", "citations.bib"),
        *(f"tuned/tones-{mode}-seed-0/card.json" for mode in ("linear", "full")),
    }
    assert len([name for name in names if name.endswith(".parquet")]) == 3, "two modes, a constant"
    assert "what was measured (finetune.yml)" in readme
    assert "No weights. No audio." in readme
    assert "wav2vec" in citations


def test_nothing_but_the_file_of_what_was_asked_names_a_place_on_this_machine(packed: Path, made: Path) -> None:
    with zipfile.ZipFile(packed) as found:
        naming = [name for name in found.namelist() if str(made).encode() in found.read(name)]
    assert naming == ["finetune.yml"]
    (note,) = bundle("tones", packed).notes
    assert note.startswith(f"finetune.yml names a place on this machine, '{made / 'audio'}'")


def test_a_network_that_lies_on_this_machine_is_pointed_out(packed: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs" / "tones" / "finetune.yml"
    network = f"path:{tmp_path / 'runs' / 'tones' / 'tuned' / 'tones-full-seed-0'}"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"representation": network}))
    assert any(f"'{network}'" in note for note in bundle("tones", tmp_path / "path.zip").notes)


def test_what_was_unpacked_is_read_like_any_run(packed: Path, tmp_path: Path) -> None:
    unpack(packed, tmp_path / "there")
    assert earmark.table(tmp_path / "there") == earmark.table("tones")
    assert compare(tmp_path / "there", permutations=9) == compare("tones", permutations=9)


def test_a_fine_tuning_that_is_not_whole_is_not_packed(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "tones" / "finetune.yml").unlink()
    with pytest.raises(DataError, match=r"it lacks experiment\.yml or finetune\.yml\. Run"):
        bundle("tones", tmp_path / "other.zip")


def test_a_network_whose_name_leads_elsewhere_is_refused(packed: Path, tmp_path: Path) -> None:
    for name in ("tuned/../card.json", "tuned/a/../../card.json", "tuned//card.json", "tuned/a/b/card.json"):
        with pytest.raises(DataError, match="a name that no bundle has"):
            unpack(repacked(packed, tmp_path / "bad.zip", {name: b"{}"}), tmp_path / "into")
    assert not (tmp_path / "into").exists()


# Fine-tuning again


def test_fine_tuned_again_every_number_is_the_same(packed: Path, tmp_path: Path) -> None:
    found = reproduce(packed, quiet=True)
    assert found.is_same
    assert (found.config, found.software, found.data) == ((), (), ())
    assert found.notes[0] == "2 jobs computed here, nothing was taken from the store."
    assert found.run.folder == tmp_path / "runs" / "tones-reproduced"
    first, second = (tmp_path / "runs" / name / "tuned/tones-full-seed-0" for name in ("tones", "tones-reproduced"))
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match=r"holds a fine-tuning already\. Give this one another name by --run-id"):
        reproduce(packed, quiet=True)


def test_an_interrupted_reproduction_goes_on(packed: Path, tmp_path: Path) -> None:
    begun = tmp_path / "runs" / "tones-reproduced"
    begun.mkdir()
    shutil.copy(tmp_path / "runs" / "tones" / "finetune.yml", begun)
    assert reproduce(packed, quiet=True).is_same


def test_other_audio_is_named_with_the_numbers_that_it_changed(packed: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "audio", tmp_path / "audio")
    with zipfile.ZipFile(packed) as found:
        asked = json.loads(found.read("finetune.yml"))
    asked["datasets"][0]["dir"] = str(tmp_path / "audio")
    for file in (tmp_path / "audio" / "low").iterdir():
        shutil.copy(tmp_path / "audio" / "high" / file.name, file)
    moved = repacked(packed, tmp_path / "moved.zip", {"finetune.yml": json.dumps(asked, indent=1).encode()})
    found_here = reproduce(moved, quiet=True)
    assert [one.where for one in found_here.data] == [f"folder:audio: low/{n}.wav: audio" for n in range(8)]
    assert found_here.numbers.differing
    assert found_here.markdown.endswith("Not reproduced: what differs here is data or weights.")


def test_the_command_line_says_where_it_stands_on_stderr_alone(packed: Path) -> None:
    done = CliRunner().invoke(cli.app, ["reproduce", str(packed), "--run-id", "again", "--jobs", "1"])
    assert done.exit_code == 0, done.output
    assert "tones-full-seed-0: epoch 2" in done.stderr
    assert "epoch" not in done.stdout
    assert f"Reproduced: all {len(results.read(results.find('again')).rows)} rows came out again." in done.stdout


def test_two_fine_tunings_differ_by_what_their_files_and_machines_say(packed: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "runs" / "tones", tmp_path / "runs" / "other")
    file = tmp_path / "runs" / "other" / "finetune.yml"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"epochs": 9}))
    card = tmp_path / "runs" / "other" / "tuned" / "tones-full-seed-0" / "card.json"
    threads = json.loads(card.read_text())["threads"]
    card.write_text(json.dumps(json.loads(card.read_text()) | {"threads": threads + 1}))
    found = diff("tones", "other", permutations=9)
    assert [(one.where, one.old, one.new) for one in found.config] == [("epochs", "2", "9")]
    assert [one.where for one in found.software] == ["tones-full-seed-0.threads"]
    assert found.data == ()
