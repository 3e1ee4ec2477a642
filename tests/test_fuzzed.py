"""What others wrote may be anything: it is read, or refused by an error of ours; nothing else, and never for ever."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from earmark import audio
from earmark.datasets import manifest
from earmark.datasets.base import Dataset
from earmark.errors import EarmarkError
from earmark.experiment import spec
from earmark.store import Store
from tests.test_store import fill, only, row

ROOT = Path(__file__).parent.parent
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yml"))
LONGEST_S = 20

fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@contextmanager
def no_hang() -> Iterator[None]:
    """Raise TimeoutError in what takes longer than anything here may."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(work: Callable[[], object]) -> object:
    """Return what some reading came to, or the words of the error by which it was refused."""
    try:
        with no_hang():
            return work()
    except EarmarkError as error:
        return str(error)


SCALARS = st.sampled_from(["~", "-1", "1e999999", ".nan", "-.inf", "0x7fffffffffffffffff", "2026-11-21", "!!binary aa"])
BROKEN = st.sampled_from(
    ["&a [*a]", "*nobody", "<<: *a", "? ", ": ", "- - - -", "\t", "\x00", "\ufeff", "[[[", "{{{", "'"]
)
TEXTS = st.one_of(SCALARS, BROKEN, st.text(max_size=12))


@given(
    file=st.sampled_from(EXPERIMENTS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), TEXTS), min_size=1, max_size=3),
)
@settings(fuzzed, max_examples=60)
def test_no_experiment_file_breaks_the_reader(tmp_path: Path, file: Path, edits: list[tuple[float, int, str]]) -> None:
    text = file.read_text()
    for share, n_lost, new in edits:
        place = int(share * len(text))
        text = text[:place] + new + text[place + n_lost :]
    read_experiment(tmp_path, text.encode(errors="surrogatepass"))


def read_experiment(folder: Path, content: bytes) -> object:
    (folder / "fuzzed.yml").write_bytes(content)
    found = outcome(lambda: spec.load(folder / "fuzzed.yml"))
    assert isinstance(found, spec.Experiment) or "fuzzed.yml:" in str(found)
    return found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[" * 1_500,
        b"a: " * 5_000,
        b"- " * 5_000,
        b"{a: " * 3_000 + b"}" * 3_000,
        b"x: &a [z, z]\n"
        + b"".join(
            b"x%d: &b%d [*%s, *%s]\n" % (n, n, p, p) for n, p in enumerate([b"a", *(b"b%d" % one for one in range(40))])
        ),
        b"name: a\nexperiments: &a\n- *a\n",
        b"a: " + b"9" * 10_000,
        b"? [a, b]\n: c\n",
        b"? {a: b}\n: c\n",
        b"&a a: *a\n",
        b"name: x\nname: y\n",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_files_made_to_break_readers_of_yaml_are_refused(tmp_path: Path, content: bytes) -> None:
    assert isinstance(read_experiment(tmp_path, content), str)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["a.wav", "../a.wav", "/etc/passwd", "a\0b", "x" * 5_000, "train", "0", "|", "1|2", "NaN", "-1", "1e400"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
NAMES = st.one_of(
    st.sampled_from(
        ["path", "id", "start_s", "end_s", "split", "fold", "group", "label", "pitch", "key:class", "x:numbers"]
    ),
    st.text(max_size=5),
)


@given(
    rows=st.lists(st.dictionaries(NAMES, CELLS, max_size=5), max_size=4),
    is_table=st.booleans(),
    noise=st.binary(max_size=4),
)
@settings(fuzzed, max_examples=150)
@example(rows=[{"path": "x" * 5_000}], is_table=False, noise=b"")
@example(rows=[{"path": "a\0b"}], is_table=False, noise=b"")
def test_no_manifest_breaks_the_reader(
    tmp_path: Path, rows: list[dict[str, object]], is_table: bool, noise: bytes
) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    if is_table:
        names = sorted({name for one in rows for name in one})
        lines = [",".join(names), *(",".join(str(one.get(name, "")) for name in names) for one in rows)]
    else:
        lines = [json.dumps({"path": "a.wav", **one}) for one in rows]
    read_manifest(tmp_path / ("m.csv" if is_table else "m.jsonl"), "\n".join(lines).encode(errors="replace") + noise)


def read_manifest(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    found = outcome(lambda: manifest.load("", file))
    assert file.name in found if isinstance(found, str) else isinstance(found, Dataset)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"path":' * 50_000, b'{"path": "a.wav", "x": ' + b"9" * 9_999 + b"}"]
)
def test_lines_made_to_break_readers_of_json_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    read_manifest(tmp_path / "m.jsonl", content)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Half a second of noise in the formats that are read most."""
    folder = tmp_path_factory.mktemp("sounds")
    samples = 0.1 * np.random.Generator(np.random.PCG64(0)).standard_normal((4_000, 2))
    for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "W64", "RF64", "CAF"):
        soundfile.write(folder / name, samples, 8_000, format=name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(
    name=st.sampled_from(["WAV", "FLAC", "OGG", "MP3", "AIFF", "W64", "RF64", "CAF"]),
    edits=st.lists(st.tuples(st.integers(0, 120), st.binary(min_size=1, max_size=8)), max_size=4),
    share=st.one_of(st.just(1.0), st.floats(0, 1)),
)
@settings(fuzzed, max_examples=200)
def test_no_audio_header_breaks_the_reader(
    tmp_path: Path, sounds: dict[str, bytes], name: str, edits: list[tuple[int, bytes]], share: float
) -> None:
    content = bytearray(sounds[name][: int(share * len(sounds[name]))])
    for place, new in edits:
        content[place : place + len(new)] = new
    read_audio(tmp_path / f"fuzzed.{name.lower()}", bytes(content))


def read_audio(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    found = outcome(lambda: audio.read(file, 8_000))
    assert file.name in found if isinstance(found, str) else isinstance(found, audio.Audio)


LINES = st.one_of(
    st.binary(max_size=40),
    st.fixed_dictionaries(
        {},
        optional={
            "key": st.one_of(CELLS, st.just("k9"), st.just("../k")),
            "offset": st.one_of(CELLS, st.just(0), st.just(-32), st.just(1 << 70)),
            "shape": st.one_of(
                CELLS, st.lists(CELLS, max_size=3), st.just([8]), st.just([1 << 40, 1 << 40]), st.just([])
            ),
            "crc32": CELLS,
            "provenance": CELLS,
            "path": CELLS,
            "size": CELLS,
            "mtime_ns": CELLS,
            "sha256": CELLS,
        },
    ).map(lambda item: json.dumps(item).encode()),
)


@given(lines=st.lists(LINES, max_size=5), which=st.sampled_from(["index", "provenance", "hashes"]))
@settings(fuzzed, max_examples=80)
@example(lines=[b"[" * 100_000], which="index")
@example(lines=[b'{"key": "k9", "offset": -32, "shape": [8], "crc32": 0}'], which="index")
@example(lines=[b'{"key": "k9", "offset": 0, "shape": [], "crc32": 0}'], which="index")
@example(lines=[b'{"key": ["k9"], "provenance": {}}'], which="provenance")
def test_no_index_breaks_the_store(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], which: str) -> None:
    root = tmp_path_factory.mktemp("store")
    made = fill(root, range(3))
    made.remember_hash(Path(__file__))
    patterns = {"index": "embeddings/shard-????????????????.jsonl", "provenance": "embeddings/*.provenance.jsonl"}
    with only(root, patterns.get(which, "hashes/*.jsonl")).open("ab") as file:
        file.write(b"\n".join([*lines, b""]))
    with no_hang():
        store = Store(root)
        np.testing.assert_array_equal(store.get(["k0", "k1", "k2"]), np.stack([row(n) for n in range(3)]))
        for key in sorted(store.has(["k9", "../k"])):
            with pytest.raises(EarmarkError):
                store.get([key])
        store.verify()
        assert store.remember_hash(Path(__file__))
        store.repair()
        assert Store(root).verify() == []
        np.testing.assert_array_equal(Store(root).get(["k0", "k1", "k2"]), np.stack([row(n) for n in range(3)]))
