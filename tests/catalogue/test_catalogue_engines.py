"""A catalogue is the same bytes whoever scheduled its shards."""

from pathlib import Path

import pytest

from earmark import catalogue
from earmark.catalogue import upkeep
from tests.catalogue.sounding_files import NETWORK, folder_of, held


def parts_of(cat: Path) -> dict[str, bytes]:
    """Return what is in the files of each part, by suffix: the unique half of their names is chance."""
    return {"".join(path.suffixes): path.read_bytes() for path in sorted(cat.glob("part-*"))}


@pytest.mark.parametrize(
    "engine",
    [pytest.param("slurm-here", marks=pytest.mark.slurm), pytest.param("ray", marks=pytest.mark.ray)],
)
def test_engines_make_catalogues_of_the_same_bytes(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    music = folder_of(tmp_path / "music", 11)
    (music / "broken.wav").write_bytes(b"no sound")
    found = []
    for name in ("local", engine):
        cat = tmp_path / name
        added = catalogue.add(cat, [music], NETWORK, segment_s=0.2, keeps="both", jobs=2, engine=name)
        assert (added.n_heard, len(added.failures)) == (11, 1)
        before = held(cat)
        upkeep.compact(cat)
        assert held(cat) == before
        found.append(parts_of(cat))
        assert catalogue.add(cat, [music], engine=name).n_heard == 0, "nothing is heard again"
    assert found[0].keys() >= {".f32", ".rows", ".files.jsonl"}
    assert found[0] == found[1]
