"""`earmark store verify|repair|compact`, and the scheme of a store: what it says, drops and refuses."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import earmark
from earmark.cli import app
from earmark.conformance import records
from earmark.errors import Refused, UserError
from earmark.experiment import calibrated, devices
from earmark.experiment.jobs import CODELENGTHS, PROBES
from earmark.representations import _compiled
from earmark.store import Store
from earmark.store.scheme import KINDS
from tests.test_run import files
from tests.test_store import ORIGIN, assert_holds, fill, only, row


def store(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["store", *map(str, arguments)])


def spoil(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def damaged(root: Path) -> Store:
    """A store of three rows and two files, of each of which one is damaged."""
    made = fill(root, range(3))
    made.put_file("probes", "sound", ".bin", b"weights", {"recipe": "M1"})
    made.put_file("probes", "spoilt", ".bin", b"weights", {"recipe": "M1"})
    spoil(only(root, "embeddings/*.f32"), 40)
    spoil(root / "probes" / "spoilt.bin", 2)
    return made


def test_a_sound_store_is_said_to_be_so(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    done = store("verify", tmp_path)
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}: nothing is damaged; 0 leftovers of crashes.\n")


def test_what_a_crash_leaves_is_told_and_is_no_damage(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    with only(tmp_path, "embeddings/*.f32").open("ab") as data:
        data.write(b"abc")
    done = store("verify", tmp_path)
    assert done.exit_code == 0
    assert "its last 3 bytes are in no index" in done.stdout
    assert "nothing is damaged; 1 leftover of crashes" in done.stdout


def test_damage_is_told_and_ends_with_1(tmp_path: Path) -> None:
    damaged(tmp_path)
    done = store("verify", tmp_path)
    assert done.exit_code == 1
    assert "the row k1 is damaged" in done.stdout
    assert "spoilt.bin: damaged, its sha256 is not the one in spoilt.bin.provenance.json" in done.stdout
    assert "2 things damaged: `earmark store repair`" in done.stdout
    found = json.loads(store("verify", tmp_path, "--json").stdout)
    assert (len(found["damaged"]), found["harmless"]) == (2, [])


def test_repair_drops_what_is_damaged_and_says_what_it_was(tmp_path: Path) -> None:
    damaged(tmp_path)
    (tmp_path / "probes" / ".half.tmp").write_bytes(b"half")
    done = store("repair", tmp_path)
    assert done.exit_code == 0
    assert "dropped the row k1 (notes/Fühling.wav)" in done.stdout
    assert "dropped the file probes/spoilt.bin" in done.stdout
    assert "1 row and 1 file dropped: `earmark run` of the same experiment computes them again." in done.stdout
    assert Store(tmp_path).verify() == []
    assert_holds(Store(tmp_path), [0, 2])
    assert sorted(path.name for path in (tmp_path / "probes").iterdir()) == ["sound.bin", "sound.bin.provenance.json"]
    assert_holds(fill(tmp_path, [1]), range(3))


def test_stores_of_the_same_rows_are_the_same_bytes_after_compacting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content(name: str, *turns: Iterable[int]) -> list[bytes]:
        root = tmp_path / name
        for numbers in turns:
            with Store(root).writer() as writer:
                for number in numbers:
                    writer.put(f"k{number}", row(number), {"number": number} if number % 3 else {})
        done = store("compact", root, "--json")
        assert json.loads(done.stdout)["dropped"] == []
        assert Store(root).provenance("k5") == {"number": 5}
        assert_holds(Store(root), range(60))
        return sorted(path.read_bytes() for path in (root / "embeddings").iterdir())

    size = row(0).nbytes
    for name, n_bytes in (("shards.SHARD_BYTES", 32), ("shards.FLUSH_BYTES", 8), ("upkeep.FLUSH_BYTES", 8)):
        monkeypatch.setattr(f"earmark.store.{name}", n_bytes * size)
    ordered = content("ordered", range(60))
    assert len(ordered) == 2 * 3, "the rows are more than a shard takes"
    assert content("turned", range(59, -1, -1)) == ordered
    assert content("twice", range(0, 60, 2), range(40), range(1, 60, 2)) == ordered


def test_compacting_says_what_it_did(tmp_path: Path) -> None:
    damaged(tmp_path)
    for number in (3, 4):
        fill(tmp_path, [number])
    done = store("compact", tmp_path)
    assert "dropped the damaged row k1" in done.stdout
    assert "3 shards before, 1 now; 1 damaged row dropped, to be computed again." in done.stdout


def test_repair_tells_the_rows_of_a_shard_that_was_cut_or_is_gone(tmp_path: Path) -> None:
    for number in range(2):
        fill(tmp_path, [2 * number, 2 * number + 1])
    cut, gone = sorted(tmp_path.glob("embeddings/*.f32"))
    cut.write_bytes(cut.read_bytes()[:33])
    gone.unlink()
    found = json.loads(store("repair", tmp_path, "--json").stdout)
    assert len(found["rows"]) == 3
    assert {row["clip"] for row in found["rows"]} == {ORIGIN["clip"]}
    lost = {row["key"] for row in found["rows"]}
    assert Store(tmp_path).has(f"k{number}" for number in range(4)) == {f"k{number}" for number in range(4)} - lost
    assert Store(tmp_path).verify() == []


def test_a_row_that_is_sound_elsewhere_is_not_lost(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    data, index = only(tmp_path, "embeddings/*.f32"), only(tmp_path, "embeddings/shard-????????????????.jsonl")
    other = tmp_path / "embeddings" / "shard-ffffffffffffffff.f32"
    shutil.copy(data, other)
    shutil.copy(index, other.with_suffix(".jsonl"))
    spoil(other, 0)
    assert Store(tmp_path).repair().rows == {}
    assert_holds(Store(tmp_path), range(3))


def test_what_is_no_json_where_a_checksum_should_be_is_told(tmp_path: Path) -> None:
    made = fill(tmp_path, [0])
    for key, said in (("a", b"\xff"), ("b", b"[]"), ("c", b'{"sha256": 3}')):
        made.put_file("probes", key, ".bin", b"weights", {})
        (tmp_path / "probes" / f"{key}.bin.provenance.json").write_bytes(said)
    assert [problem.count("or its provenance is") for problem in made.verify()] == [0, 0, 0]
    assert len(made.verify()) == 3
    assert len(made.repair().files) == 3
    assert made.verify() == []


def test_nothing_is_repaired_or_dropped_while_another_writes(tmp_path: Path) -> None:
    writing = fill(tmp_path, range(3))
    with writing.writer(), pytest.raises(Refused, match="is being written to"):
        Store(tmp_path).repair()
    with writing.writer(), pytest.raises(Refused, match="is being written to"):
        Store(tmp_path).drop([])


VERBS = (["verify"], ["repair"], ["compact"], ["gc", "--older-than", "0", "--yes"])


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("names", [[], ["embeddings/mine.npy"], ["lock"], ["lock", "embeddings/mine.npy"]], ids=str)
def test_a_folder_that_is_no_store_is_refused_and_left_as_it_is(
    tmp_path: Path, names: list[str], verb: list[str]
) -> None:
    before = theirs(tmp_path, [*names, "thesis/lines.json"])
    with pytest.raises(UserError, match=r"Expected the folder of a store, with the file 'store\.json', got"):
        CliRunner().invoke(app, ["store", *verb, str(tmp_path)], catch_exceptions=False)
    assert files(tmp_path) == before


def theirs(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Write files of the user's own, which are no JSON, and return what is there."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('{"a": 1}{"b": 2}')
    return files(root)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_files_of_others_in_the_folder_of_a_store_are_never_removed(tmp_path: Path, verb: list[str]) -> None:
    names = ("thesis/lines.json", "thesis/lost.provenance.json", "thesis/.draft.tmp", "thesis/a.tex", "notes.json")
    before = theirs(tmp_path, names)
    damaged(tmp_path)
    assert store(*verb, tmp_path).exit_code == (1 if verb == ["verify"] else 0)
    assert before.items() <= files(tmp_path).items()
    assert not any(name in store("verify", tmp_path).stdout for name in names)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("name", ["lock", "store.json"])
def test_a_catalogue_is_no_store(tmp_path: Path, name: str, verb: list[str]) -> None:
    before = theirs(tmp_path, ["catalogue.json", name])
    with pytest.raises(UserError, match=r"'.*' is a catalogue: earmark catalogue verify"):
        CliRunner().invoke(app, ["store", *verb, str(tmp_path)], catch_exceptions=False)
    assert files(tmp_path) == before


def test_the_store_of_an_older_earmark_may_be_named(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "golden" / "store_0", tmp_path / "store")
    assert store("verify", tmp_path / "store").exit_code == 0
    assert store("repair", tmp_path / "store").exit_code == 0
    assert_holds(Store(tmp_path / "store"), range(3))


def test_every_folder_that_is_written_into_a_store_is_one_of_its_kinds() -> None:
    kinds = {PROBES.folder, CODELENGTHS.folder, calibrated.KIND, devices.KIND, records.KIND, _compiled.FOLDER}
    assert kinds <= set(KINDS)
    written = set[str]()
    for file in Path(earmark.__file__).parent.rglob("*.py"):
        written |= set(re.findall(r'\.(?:put_file|read_file|file)\("(\w+)", ', file.read_text()))
    assert {"probes", "scores", "failures"} <= written <= set(KINDS)


def test_a_store_without_a_scheme_is_read_as_it_was_and_named_when_written_to(tmp_path: Path) -> None:
    """The files are those of a store that was written before there was a scheme, byte by byte."""
    old = Path(__file__).parent / "golden" / "store_0"
    shutil.copytree(old, tmp_path / "store")
    root = tmp_path / "store"
    before = files(root)
    assert_holds(Store(root), range(3))
    assert Store(root).provenance("k1") == ORIGIN
    assert (Store(root).verify(), files(root)) == ([], before), "reading changes nothing"
    fill(root, [3])
    assert json.loads((root / "store.json").read_text()) == {"scheme": 1}
    assert {name: sha for name, sha in files(root).items() if name in before} == before
    assert_holds(Store(root), range(4))
    Store(root).compact()
    assert_holds(Store(root), range(4))


def test_the_store_of_a_newer_earmark_is_refused_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    (tmp_path / "store.json").write_text('{"scheme": 2}')
    with pytest.raises(
        UserError, match=r"Expected a store of scheme 1 or older in .*, got 2: .* Update earmark, or set"
    ):
        Store(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"scheme": "1"}', b'{"scheme": true}', b"\xff\xfe"])
def test_a_damaged_scheme_is_said_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path, range(3))
    (tmp_path / "store.json").write_bytes(content)
    with pytest.raises(UserError, match=r"to hold \{\"scheme\": 1\}, but it is damaged\. Remove it if"):
        Store(tmp_path)
    (tmp_path / "store.json").unlink()
    assert_holds(Store(tmp_path), range(3))


@pytest.mark.parametrize("page", ["store.md", "threats.md"])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    tests = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+)`", (tests.parent / "docs" / page).read_text()))
    there = {
        name for file in tests.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert len(named) > 10
    assert named <= there
