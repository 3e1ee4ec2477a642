"""Shares of the training clips: of single clips or of whole groups, and what is said of them."""

import re
from pathlib import Path

import pytest

from earmark.errors import SpecError
from earmark.experiment.study import study
from tests.experiment.test_grains import tones, with_key, written
from tests.test_run import make_tones

__all__ = ["tones"]  # a fixture


def grouped(file: Path, folder: Path, size: int) -> Path:
    """Let the tones be a manifest whose groups have so many clips of one tone each."""
    audio = make_tones(folder / "grouped", each=12)
    takes = {path: f"{path.parent.name}{int(path.stem) // size}" for path in sorted(audio.rglob("*.wav"))}
    lines = ["path,tone,group", *(f"{path.relative_to(audio)},{path.parent.name},{takes[path]}" for path in takes)]
    (audio / "clips.csv").write_text("\n".join(lines))
    data = re.sub(r"name: folder, dir: [^,]*", f"name: manifest, dir: {audio}/clips.csv", file.read_text())
    file.write_text(data.replace("label: label", "label: tone"))
    return file


@pytest.mark.parametrize(("size", "share_of"), [(3, "clips"), (3, "groups"), (1, "clips")])
def test_shares_are_of_single_clips_or_of_whole_groups_and_a_note_says_which_it_is_not(
    size: int, share_of: str, tones: Path, tmp_path: Path
) -> None:
    file = grouped(
        with_key(written(tones, "[logmel]"), f"train_shares: [0.05, 0.5]\n    share_of: {share_of}"), tmp_path, size
    )
    prepared = study(file)
    (subject,) = (one for found in prepared.subjects.values() for one in found)
    train = {one.clip.id: one.clip.group for one in subject.train}
    for fit in prepared.plan().fits:
        drawn = [one.clip for one in fit.pairing.train.clips]
        inside = {one.group for one in drawn}
        is_whole = all(group not in inside for clip, group in train.items() if clip not in {one.id for one in drawn})
        assert is_whole or share_of == "clips"
        assert len(drawn) in {round(share * len(train)) for share in (0.05, 0.5)} or share_of == "groups"
    (said,) = [note for note in subject.notes if "share" in note] or [""]
    expected = {
        (3, "clips"): f"train_shares draw single clips, and the {len(train)} training clips are of",
        (3, "groups"): "a share of 0.05 is less than one of",
        (1, "clips"): "",
    }
    assert said.startswith(expected[size, share_of])
    assert bool(said) == bool(expected[size, share_of])


def test_shares_of_groups_where_there_are_none_and_groups_of_no_shares_are_refused(tones: Path) -> None:
    text = written(tones, "[logmel]").read_text()
    tones.write_text(text)
    with_key(tones, "train_shares: [0.5]\n    share_of: groups")
    with pytest.raises(SpecError, match=r"No training clip of 'folder:audio' has a group\. Leave share_of out\."):
        study(tones)
    tones.write_text(text)
    with pytest.raises(SpecError, match="share_of says what train_shares are of, and there are none"):
        study(with_key(tones, "share_of: groups"))
