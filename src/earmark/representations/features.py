"""`features:PATTERN`: embeddings that you computed elsewhere, known by clip id: .npy of each clip, .npz, .parquet.

A pattern with a wildcard names files of one clip each (`features:embeddings/*.npy`): (dim,), (frames, dim) or (layers,
frames, dim). The clip is the file's path below the pattern's fixed folder, without ending. One .npz holds arrays named
by clip id, or `ids` beside `vectors`, one row a clip. One .parquet holds the column `id` beside one list column, or
beside numeric columns, one each dimension. A clip is looked for by its id ("low/0.wav") and by its id without
ending ("low/0"), and by nothing looser: low/0 and high/0 are two clips. One set of features is of one dataset.
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol, cast, runtime_checkable
from zipfile import BadZipFile

import numpy as np
import polars as pl
from jaxtyping import Float, Float32
from torch import Tensor

from earmark import identity
from earmark.errors import UserError
from earmark.nouns import Card

CARDS: Mapping[str, Card] = {}
FORM = "features:PATTERN"
WILDCARDS = frozenset("*?[")
UNKNOWN = "unknown: computed elsewhere"

Own = Float32[np.ndarray, "layers frames dim"]


@runtime_checkable
class OfClip(Protocol):
    """What knows the embedding of a clip by its id, and so is never given audio."""

    card: Card

    def of_clip(self, clip_id: str) -> Own:
        """Return the clip's frame embeddings. Raises UserError when there are none."""
        ...


class Entry(NamedTuple):
    """An array of one clip: the shape of it with all its axes, and how it is got."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class Features:
    """Embeddings by name. The card's hash is that of all files, so that other files make other keys."""

    def __init__(self, name: str, entries: Mapping[str, Entry], files_sha256: str) -> None:
        self._entries = entries
        self.card = _card(name, _require_alike(name, entries), files_sha256)

    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Raise UserError: there is nothing here that could hear."""
        raise UserError(
            f"'{self.card.name}' was computed elsewhere and hears nothing: it knows clips by their ids, so it is for "
            "experiments only."
        )

    def name_of(self, clip_id: str) -> str:
        """Return the name of the file or row of a clip. Raises UserError when there is none."""
        for name in (clip_id, _without_ending(clip_id)):
            if name in self._entries:
                return name
        known = next(iter(self._entries))
        raise UserError(
            f"'{self.card.name}' holds no embedding of '{clip_id}' among its {len(self._entries)}, such as '{known}'"
        )

    def of_clip(self, clip_id: str) -> Own:
        """Return a clip's frame embeddings; one vector is one frame. Raises UserError for none and for NaN."""
        name = self.name_of(clip_id)
        with np.errstate(over="ignore"):  # what does not fit into float32 is infinite, and refused as such
            array = self._entries[name].read().astype(np.float32)
        if not np.isfinite(array).all():
            raise UserError(f"'{self.card.name}' holds numbers for '{clip_id}' (in '{name}') that are not finite")
        return array.reshape((1,) * (3 - array.ndim) + array.shape)


def load(variant: str) -> Features:
    """Return the embeddings of a pattern or file.

    Raises UserError when there is none, for arrays that are not numbers, and for such as differ in dim or layers.
    """
    path = Path(variant).expanduser()
    fixed = next((i for i, part in enumerate(path.parts) if WILDCARDS & set(part)), None)
    if not variant or (fixed is None and not path.is_file()):
        raise UserError(
            f"Expected a pattern such as embeddings/*.npy or a file after features:, there is nothing at '{variant}' "
            f"(seen from '{Path.cwd()}', the current folder)."
        )
    if fixed is None:
        return _load(path.name, path.parent.resolve(), (_state(path.resolve()),))
    folder, pattern = Path(*path.parts[:fixed]), "/".join(path.parts[fixed:])
    found = sorted(one.resolve() if one.is_symlink() else one for one in folder.resolve().glob(pattern))
    files = tuple(_state(one) for one in found if one.is_file())
    if not files:
        raise UserError(f"Expected files after features:, none fits '{variant}' (seen from '{Path.cwd()}').")
    if strange := next((one.path for one in files if one.path.suffix != ".npy"), None):
        raise UserError(f"Expected '{variant}' to name .npy files, one a clip; it names '{strange.name}' too.")
    # Known by what is in it, and not by where it lies: its name is part of the keys of embeddings.
    return _load(f"{folder.resolve().name}/{pattern}", folder.resolve(), files)


class _State(NamedTuple):
    path: Path
    size_bytes: int
    changed_ns: int


def _state(path: Path) -> _State:
    found = path.stat()
    return _State(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=4)  # a run loads a name many times: once for its plan, and once a shard
def _load(name: str, folder: Path, files: tuple[_State, ...]) -> Features:
    paths = [one.path for one in files]
    names = [one.relative_to(folder).as_posix() if one.is_relative_to(folder) else one.name for one in paths]
    content = sorted((one, identity.file_sha256(path)) for one, path in zip(names, paths, strict=True))
    readers = {".npz": _npz, ".parquet": _parquet}
    if paths[0].suffix == ".npy":
        entries = {one.removesuffix(".npy"): _npy(path) for one, path in zip(names, paths, strict=True)}
    elif paths[0].suffix in readers:
        entries = readers[paths[0].suffix](paths[0])
    else:
        raise UserError(f"Expected features in .npy, .npz or .parquet, got '{paths[0].name}'.")
    sha256 = hashlib.sha256(identity.canonical_json(content)).hexdigest()
    return Features(f"features:{name}", entries, sha256)


def _npy(path: Path) -> Entry:
    shape = _array(path, "r").shape
    return Entry((1,) * (3 - len(shape)) + shape, functools.partial(_array, path))


def _array(path: Path, mapped: str | None = None) -> np.ndarray:
    """Return an array of a file, or of "r" its head without its numbers."""
    try:
        found: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"Expected an array of numbers in '{path}', but: {error}.") from error
    return _numbers(found, path.name)


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "fiu" or not 1 <= array.ndim <= 3 or 0 in array.shape:
        raise UserError(
            f"Expected numbers (dim,), (frames, dim) or (layers, frames, dim) in '{name}', got {array.dtype} "
            f"{array.shape}."
        )
    return array


def _npz(path: Path) -> dict[str, Entry]:
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, BadZipFile, AttributeError) as error:
        raise UserError(f"Expected arrays of numbers in '{path}', but: {error}.") from error
    if held.keys() >= {"ids", "vectors"}:
        return _rows(path, [str(one) for one in held["ids"].reshape(-1)], list(held["vectors"]))
    return _rows(path, list(held), list(held.values()))


def _parquet(path: Path) -> dict[str, Entry]:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"Expected a table in '{path}', but: {error}.") from error
    if "id" not in table.columns:
        raise UserError(f"Expected the column id in '{path}', it has: {', '.join(table.columns)}.")
    ids, rest = table["id"].cast(pl.String).to_list(), table.drop("id")
    lists = [name for name, kind in rest.schema.items() if isinstance(kind, pl.List | pl.Array)]
    numeric = [name for name, kind in rest.schema.items() if kind.is_numeric()]
    if (len(lists), bool(numeric)) not in {(1, False), (0, True)}:
        raise UserError(
            f"Expected one list column or numeric columns beside id in '{path}', got {len(lists)} of lists and "
            f"{len(numeric)} of numbers. Leave the others out."
        )
    if not lists:
        return _rows(path, ids, list(rest.select(numeric).to_numpy()))
    try:
        return _rows(path, ids, [np.asarray(row, dtype=np.float64) for row in rest[lists[0]].to_list()])
    except (ValueError, TypeError) as error:
        raise UserError(f"Expected lists of numbers in the column {lists[0]} of '{path}', but: {error}.") from error


def _rows(path: Path, ids: Sequence[str | None], arrays: Sequence[np.ndarray]) -> dict[str, Entry]:
    if len(ids) != len(arrays):
        raise UserError(f"Expected as many ids as vectors in '{path}', got {len(ids)} and {len(arrays)}.")
    twice = [one for one, count in Counter(ids).items() if count > 1 or one is None]
    if twice or not ids:
        raise UserError(f"Expected one row for each clip id in '{path}', got {f'{twice[0]!r} twice' if ids else 0}.")
    entries = {}
    for one, array in zip(cast(Sequence[str], ids), arrays, strict=True):
        shape = _numbers(array, f"{one}' of '{path.name}").shape
        entries[one] = Entry((1,) * (3 - len(shape)) + shape, functools.partial(np.asarray, array))
    return entries


def _require_alike(name: str, entries: Mapping[str, Entry]) -> tuple[int, int]:
    """Return layers and dim, which are those of every entry."""
    (first, of_first), *rest = entries.items()
    for one, entry in rest:
        for axis, what in ((0, "layers"), (2, "dim")):
            if entry.shape[axis] != of_first.shape[axis]:
                raise UserError(
                    f"Expected one {what} throughout '{name}', got {of_first.shape[axis]} in '{first}' and "
                    f"{entry.shape[axis]} in '{one}'."
                )
    return of_first.shape[0], of_first.shape[2]


def _card(name: str, layers_and_dim: tuple[int, int], files_sha256: str) -> Card:
    """Return what arrays tell; what they were computed by, they do not. The sample rate is none: no sample is heard."""
    layers, dim = layers_and_dim
    return Card(
        name=name,
        version=1,
        sample_rate=1,
        frame_rate_hz=0.0,
        dim=dim,
        layers=layers,
        layer_0="the first layer of the arrays",
        min_samples=1,
        max_samples=None,
        padding_safe=False,
        architecture=UNKNOWN,
        n_parameters=0,
        trained_on=UNKNOWN,
        objective=UNKNOWN,
        licence="unknown",
        commercial=False,
        bibtex="",
        verified="own",
        weights_sha256=files_sha256,
    )


def _without_ending(clip_id: str) -> str:
    """Return an id without what follows the last dot of its file's name; `#start-end` of a region stays."""
    path, mark, region = clip_id.partition("#")
    return PurePosixPath(path).with_suffix("").as_posix() + mark + region
