"""Saved probes on a whole catalogue: what one says of every track, or of every segment, from embeddings that are there.

tags = tagging.tag("music.cat", "runs/RUN/probes/KEY", accuracy=0.9)
for block in tags.blocks():
    block.keys, block.times_s, block.said.said      # a key for `Catalogue.named`, seconds, a word
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32
from polars.io.plugins import register_io_source

from earmark import durable
from earmark.analysis import escapes
from earmark.catalogue import prediction, reader
from earmark.catalogue.form import Form
from earmark.catalogue.prediction import Said, SavedProbe
from earmark.catalogue.reader import Catalogue, Level
from earmark.errors import DataError, Refused, UserError
from earmark.experiment import vectors
from earmark.representations import base
from earmark.representations.embed import STATISTICS

Array = np.ndarray


class Tagged(NamedTuple):
    """What a probe says of some tracks or segments: their contents, where in the file in seconds, and what it says."""

    keys: tuple[str, ...]
    times_s: Float32[Array, "rows 2"]
    said: Said


class _Rows(NamedTuple):
    """Rows of a probe; `clips`: the place of each row's track among the keys, None where each row is one."""

    keys: tuple[str, ...]
    times_s: Float32[Array, "tracks 2"]
    rows: Float32[Array, "rows layers statistics dim"]
    clips: Array | None


@dataclass(frozen=True)
class Tagging:
    """A probe and a catalogue that fit each other: blocks are computed as they are asked for, from rows on the disk."""

    catalogue: Catalogue
    saved: SavedProbe
    level: Level
    unsure_below: float

    def blocks(self) -> Iterator[Tagged]:
        """Yield what the probe says, some thousand rows at a time; memory holds a block."""
        card, calibration = self.saved.card, self.saved.calibration
        for one in self._rows():
            seen = vectors.side_by_side([_both(one.rows, self.catalogue.form)], card.grain, card.representation)
            scores = np.asarray(self.saved.fitted.predict(seen, one.clips), np.float32)
            given = calibration.of(scores) if calibration else scores
            yield Tagged(one.keys, one.times_s, Said(given, card, calibration, self.unsure_below))

    def tables(self) -> Iterator[pl.DataFrame]:
        """Yield the blocks as tables: a line a file, also of one content; a column of scores a class.

        What has no name, because its line is damaged, is left out.
        """
        for block in self.blocks():
            named = self.catalogue.named(block.keys)
            places = [place for place, key in enumerate(block.keys) for _ in named.get(key, ())]
            files = [file for key in block.keys for file in named.get(key, ())]
            answers = block.said.answers
            columns: dict[str, Any] = {
                "key": [block.keys[place] for place in places],
                "path": [one.path for one in files],
                "id": [one.id for one in files],
                "start_s": [
                    float(block.times_s[at, 0]) + (f.start_s or 0) for at, f in zip(places, files, strict=True)
                ],
                "end_s": [float(block.times_s[at, 1]) + (f.start_s or 0) for at, f in zip(places, files, strict=True)],
                "prediction": [answers[place]["prediction"] for place in places],
                "confidence": [answers[place]["confidence"] for place in places],
                "unsure": [_words(answers[place]["unsure"]) for place in places],
            }
            scores = dict(zip(self._score_columns, block.said.scores[places].T, strict=True))
            yield pl.DataFrame(columns | scores, schema=self.schema)

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of the tables."""
        text, number = pl.String, pl.Float64
        named = {"key": text, "path": text, "id": text, "start_s": number, "end_s": number}
        said = {"prediction": text, "confidence": number, "unsure": text}
        return named | said | dict.fromkeys(self._score_columns, pl.Float32)

    @property
    def _score_columns(self) -> list[str]:
        return [f"score:{name}" for name in self.saved.card.classes]

    def write(self, path: Path) -> None:
        """Write the tables to FILE.parquet or .csv, block by block. Raises UserError for another, Refused over one.

        In a .csv no text is a formula, and what acts on a terminal is named; a .parquet holds it as it is.
        """
        if path.suffix not in (".parquet", ".csv"):
            raise UserError(f"Expected a file that ends in .parquet or .csv, got '{path}'.")
        if path.exists():
            raise Refused(f"'{path}' is there. Remove it, or name another file.")
        found = register_io_source(self._source, schema=self.schema)
        with durable.made(path) as temporary:
            if path.suffix == ".parquet":
                found.sink_parquet(temporary)
            else:
                schema = {escapes.csv(name): kind for name, kind in self.schema.items()}
                found.map_batches(_for_spreadsheets, schema=schema, streamable=True).sink_csv(temporary)

    def _source(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        for table in self.tables():
            chosen = table if predicate is None else table.filter(predicate)
            yield chosen if with_columns is None else chosen.select(with_columns)

    def _rows(self) -> Iterator[_Rows]:
        if self.level == "segment" or self.saved.card.grain == "clip":
            for block in self.catalogue.blocks(self.level):
                yield _Rows(block.keys, block.times_s, block.rows, None)
            return
        held: _Rows | None = None  # the last track of a block may go on in the next
        for block in self.catalogue.blocks("segment"):
            whole = _joined(held, block)
            last = whole.keys.index(whole.keys[-1])
            if last:
                yield _by_track(_Rows(whole.keys[:last], whole.times_s[:last], whole.rows[:last], None))
            held = _Rows(whole.keys[last:], whole.times_s[last:], whole.rows[last:], None)
        if held is not None:
            yield _by_track(held)


def tag(
    catalogue: Catalogue | Path | str,
    probe: Path | str,
    *,
    level: Level = "track",
    unsure: float | None = None,
    accuracy: float | None = None,
    is_calibrated: bool = True,
) -> Tagging:
    """Return what says of every track of a catalogue, or of every segment, what a saved probe says of it.

    Of a track it says what `predict` says of the file. A probe of whole clips asked of segments takes each for a clip.
    `unsure`, `accuracy`, `is_calibrated`: see `predict`. Raises DataError for embeddings that are not what the probe
    was fitted on: another representation, other weights, layers, pooling or segments.
    """
    opened = catalogue if isinstance(catalogue, Catalogue) else reader.load(catalogue)
    saved = prediction.open_probe(probe, is_calibrated)
    _require_fit(saved, opened.form, level)
    opened.require("segment" if saved.card.grain == "segments" else level)
    return Tagging(opened, saved, level, saved.unsure_below(unsure, accuracy))


def _require_fit(saved: SavedProbe, form: Form, level: Level) -> None:
    """Raise DataError unless the rows of a catalogue are what a probe hears."""
    card, choice = saved.card, saved.card.representation
    if "+" in choice.name or card.grain == "frames":
        raise DataError(
            f"The probe '{card.key}' hears {'several representations' if '+' in choice.name else 'every frame'}, and a "
            "catalogue has one vector a track or segment, of one. Use earmark predict on the files."
        )
    prediction.require_same(card, form.representation, form.card_version, form.weights_sha256)
    wanted = choice.layers if choice.layers is not None else tuple(range(base.load(choice.name).card.layers))
    cut, here = (choice.segment_s, choice.segment_hop_s), (form.segment_s, form.segment_hop_s)
    differs = {
        "layers": (wanted, form.layers) if wanted != form.layers else None,
        "pooling": (choice.pool, form.statistics) if not set(choice.pool) <= set(form.statistics) else None,
        "segments (length, hop in s)": (cut, here)
        if cut != here and (level == "track" or card.grain == "segments")
        else None,
        "precision": (choice.precision, "float32") if choice.precision != "float32" else None,
    }
    told = [f"{what} {found[0]} there, {found[1]} here" for what, found in differs.items() if found]
    if told:
        raise DataError(
            f"The probe '{card.key}' was fitted on other embeddings of '{choice.name}' than this catalogue has: "
            f"{'; '.join(told)}. Make a catalogue like that, or fit a probe on embeddings like these."
        )


def _for_spreadsheets(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose text and heads no spreadsheet takes for formulas."""
    texts = [pl.Series(one.name, [*map(escapes.csv, one)], pl.String) for one in table.select(pl.col(pl.String))]
    return table.with_columns(texts).rename(escapes.csv)


def _both(rows: Float32[Array, "rows layers statistics dim"], form: Form) -> Array:
    """Return rows with every statistic in its place; in that of one that no probe here asks for stands another."""
    if form.statistics == STATISTICS:
        return rows
    return rows[:, :, [form.statistics.index(name) if name in form.statistics else 0 for name in STATISTICS]]


def _joined(held: _Rows | None, block: reader.Block) -> _Rows:
    if held is None:
        return _Rows(block.keys, block.times_s, block.rows, None)
    times = np.concatenate([held.times_s, block.times_s])
    return _Rows((*held.keys, *block.keys), times, np.concatenate([held.rows, block.rows]), None)


def _by_track(segments: _Rows) -> _Rows:
    """Return segments with the track of each; a track's time is from its first segment to the end of its last."""
    keys = np.array(segments.keys)
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    ends = np.append(starts[1:], len(keys))
    clips = np.repeat(np.arange(len(starts)), ends - starts)
    times = np.stack([segments.times_s[starts, 0], np.maximum.reduceat(segments.times_s[:, 1], starts)], axis=1)
    return _Rows(tuple(keys[starts].tolist()), times, segments.rows, clips)


def _words(unsure: bool | list[str]) -> str:
    """Return what is unsure as one text: "yes" or nothing of a class, the names of labels."""
    return ", ".join(unsure) if isinstance(unsure, list) else "yes" * unsure
