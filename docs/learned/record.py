"""Write the record of a pre-training from its runs, one a seed.

    python docs/learned/record.py FOLDER RUN [RUN …]

Into FOLDER come config.yml (of the first run), curve.csv (each monitor's mean over so many steps that 100 rows are
enough), validation.csv, and card-seed-N.json, what the last checkpoint's card says, without the marks of its tracks.
"""

import csv
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

N_ROWS = 100
APART = ("heard", "validation")  # the one is long and tells nothing to a reader, the other has a file

Row = Mapping[str, float]


def record(folder: Path, runs: Sequence[Path]) -> None:
    """Write all files, seeds in the order of the runs."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(runs[0] / "config.yml", folder / "config.yml")
    cards = [json.loads((_last(run) / "card.json").read_text()) for run in runs]
    _write(folder / "curve.csv", ((seed, row) for seed, run in enumerate(runs) for row in _curve(run)))
    _write(folder / "validation.csv", ((seed, row) for seed, card in enumerate(cards) for row in card["validation"]))
    for seed, card in enumerate(cards):
        kept = {name: value for name, value in card.items() if name not in APART}
        (folder / f"card-seed-{seed}.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _curve(run: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    size = -(-len(rows) // N_ROWS)
    blocks = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [{"step": block[0]["step"], **_means(block)} for block in blocks]


def _means(rows: Sequence[Row]) -> dict[str, float]:
    names = [name for name in rows[0] if name != "step"]
    return {name: fmean(row[name] for row in rows if name in row) for name in names}


def _last(run: Path) -> Path:
    return max((run / "checkpoints").iterdir(), key=lambda one: int(re.findall(r"\d+", one.name)[-1]))


def _write(path: Path, rows: Iterable[tuple[int, Row]]) -> None:
    every = list(rows)
    names = ["step", *dict.fromkeys(name for _, row in every for name in row if name != "step")]
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["seed", *names])
        out.writerows([seed, *(f"{row[name]:.6g}" if name in row else "" for name in names)] for seed, row in every)


if __name__ == "__main__":
    record(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
