"""What the command line prints, draws and writes of analyses."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from earmark import durable
from earmark.analysis import escapes
from earmark.analysis.codes import arranged
from earmark.catalogue.codes import CodeRow, Codes
from earmark.catalogue.layers import Layers
from earmark.errors import UserError
from earmark.reports import analyses, figures
from earmark.show.runs import console, failures
from earmark.show.said import remark

Row = Mapping[str, Any]
PLOTS = (".svg", ".png", ".html", ".json")
LAYER_COLUMNS = ("representation", "layer", "value", "interval", "by_others", "by_gaussians")
CODE_COLUMNS = (
    *("groups", "n_used", "n_possible", "perplexity", "label_purity", "label_purity_interval", "chance_label_purity"),
    *("pnmi", "pnmi_interval", "chance_pnmi"),
)


def require_writable(out: Path | None, plot: Path | None) -> None:
    """Raise UserError, before anything is heard, for a file whose ending names no form."""
    for path, known in ((out, tuple(WRITERS)), (plot, PLOTS)):
        if path is not None and path.suffix not in known:
            raise UserError(f"Expected a file that ends in {', '.join(known)}, got '{path}'.")


def layers(found: Layers, plot: Path | None, out: Path | None, as_json: bool) -> None:
    """Print similarity by layer with what chance gives; draw it, and write every number."""
    rows = [asdict(row) for row in found.rows]
    if plot is not None:
        _draw(analyses.similarity(found), plot)
    written = {"recordings": found.recordings, "middle_s": found.middle_s, "rows": rows, "notes": list(found.notes)}
    _write(rows, written, LAYER_COLUMNS, out, as_json)
    first = rows[0]
    weighting = f" (weighting: {first['weighting']})" if first["weighting"] else ""
    remark(
        f"{first['measure']}{weighting} of each layer with {first['against']}: {first['n_frames']:,} frames of "
        f"{first['n_recordings']:,} recordings ({found.recordings}); by_others, by_gaussians: what chance gives"
        f"{_leaving_out(first['n_parts'])}"
    )
    for note in found.notes:
        remark(f"note: {note}")
    failures(found.failures)


def codes(found: Codes, plot: Path | None, by_frames: bool, out: Path | None, as_json: bool) -> None:
    """Print what codes say of labels; draw them as a map, and write the counts."""
    rows = [_flat(row) for row in found.rows]
    if plot is not None:
        _draw(analyses.code_map(found, by_frames), plot)
    counts = arranged(found.counts)
    written = {
        "rows": rows,
        "groups": list(found.rows[0].groups),
        "labels": list(counts.labels),
        "codes": counts.codes.tolist(),
        "frames": counts.frames.tolist(),
    }
    table = [
        {"code": "-".join(map(str, code)), **dict(zip(counts.labels, line, strict=True))}
        for code, line in zip(counts.codes.tolist(), counts.frames.tolist(), strict=True)
    ]
    _write(rows, written, CODE_COLUMNS, out, as_json, table)
    first = found.rows[0]
    remark(
        f"{first.representation} and {first.label} of {first.dataset}: {first.found.n_frames:,} frames of "
        f"{first.n_recordings:,} recordings; chance: labels shuffled over recordings{_leaving_out(first.n_parts)}"
    )
    failures(found.failures)


def _leaving_out(n_parts: int) -> str:
    """Return how intervals were made."""
    return f"; intervals of 95 %: leaving out one of {n_parts} parts of the recordings at a time" * (n_parts > 1)


def _flat(row: CodeRow) -> dict[str, Any]:
    """Return a row without rows in it; what is undefined is None."""
    plain = asdict(row)
    said, chance, intervals = (plain.pop(name) for name in ("found", "chance", "intervals"))
    measures = ("label_purity", "code_purity", "information_bits", "pnmi")
    by_chance = {f"chance_{name}": chance[name] for name in measures}
    limits = {f"{name}_{end}": one[at] for name, one in intervals.items() for at, end in enumerate(("low", "high"))}
    return {name: _number(value) for name, value in {**plain, **said, **by_chance, **limits}.items()}


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _draw(figure: figures.Figure, plot: Path) -> None:
    figures.save(figure, plot)
    remark(f"plot: {plot}")


def _write(
    rows: Sequence[Row],
    whole: Row,
    columns: Sequence[str],
    out: Path | None,
    as_json: bool,
    table: Sequence[Row] | None = None,
) -> None:
    """Print rows as a table, or all as JSON; write all as JSON, or `table` (None: the rows) as CSV."""
    print(escapes.json(whole)) if as_json else console().print(_grid(rows, columns))
    if out is not None:
        durable.write_file(out, WRITERS[out.suffix](whole, rows if table is None else table))
        remark(f"numbers: {out}")


def _grid(rows: Iterable[Row], columns: Sequence[str]) -> Table:
    grid = Table(box=None, pad_edge=False)
    for column in columns:
        grid.add_column(column, justify="left" if column in ("representation", "groups") else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(_interval(row, column) or _text(row[column])) for column in columns))
    return grid


def _interval(row: Row, column: str) -> str:
    """Return a column of intervals, which a row holds as low and high; "" for another column."""
    if not column.endswith("interval"):
        return ""
    of = column.removesuffix("interval")
    low, high = row.get(f"{of}low"), row.get(f"{of}high")
    return "none" if low is None or high is None else f"{low:.3f} – {high:.3f}"


def _text(value: Any) -> str:
    match value:
        case None:
            return "undefined"
        case float():
            return f"{value:.3f}"
        case tuple():
            return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _json(whole: Row, _: Sequence[Row]) -> bytes:
    return escapes.json(whole, indent=1).encode()


def _csv(_: Row, rows: Sequence[Row]) -> bytes:
    held = io.StringIO()
    lines = csv.writer(held, lineterminator="\n")
    for line in (list(rows[0]), *(row.values() for row in rows)):
        lines.writerow(escapes.csv(one) if isinstance(one, str) else one for one in line)
    return held.getvalue().encode()


WRITERS: Mapping[str, Callable[[Row, Sequence[Row]], bytes]] = {".json": _json, ".csv": _csv}
