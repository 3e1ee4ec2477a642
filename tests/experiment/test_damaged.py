"""A store of which files were cut short: the next run computes them again, and says the same numbers."""

from pathlib import Path

import pytest

import earmark
from earmark.places import home
from tests.test_run import numbers, tones

__all__ = ["tones"]  # a fixture


@pytest.mark.parametrize("keep", [0.0, 0.6])
@pytest.mark.parametrize("kind", ["scores/*.json", "scores/*.parquet", "probes/*.safetensors", "codelengths/*.json"])
def test_what_was_cut_short_is_computed_again(kind: str, keep: float, tones: Path) -> None:
    tones.write_text(tones.read_text().replace("    seeds:", "    codelength: true\n    seeds:"))
    first = earmark.run(tones, quiet=True)
    found = sorted((home() / "store").glob(kind))
    assert found
    whole = {path: path.read_bytes() for path in found}
    for path, content in whole.items():
        path.unlink()  # so that the run's folder, which has it under another name, keeps its own
        path.write_bytes(content[: int(keep * len(content))])
    again = earmark.run(tones, quiet=True)
    assert again.jobs_done >= 1
    assert numbers(again).equals(numbers(first))
    if kind != "scores/*.json":  # those say how long they took
        assert {path: path.read_bytes() for path in found} == whole
    assert earmark.run(tones, quiet=True).jobs_done == 0


def test_the_folder_of_a_run_gets_what_was_made_anew(tones: Path) -> None:
    first = earmark.run(tones, quiet=True)
    (file, *_) = sorted((first.folder / "predictions").glob("*.parquet"))
    content = file.read_bytes()
    with file.open("r+b") as opened:  # one file under two names, where the disk has links
        opened.truncate(100)
    stored = home() / "store" / "scores" / file.name
    if not stored.samefile(file):
        stored.write_bytes(content[:100])
    earmark.run(tones, quiet=True)
    assert file.read_bytes() == content
