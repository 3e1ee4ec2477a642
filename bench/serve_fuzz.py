"""Sends uploads that nobody means well to a service: `python -m bench.serve_fuzz 10000` says what came of it.

Counted are answers by status, the slowest answer, workers that died or were killed, and what the service and its worker
hold in memory after a tenth of the uploads and at the end. It fails on a 500, a hang, a dead worker, or growth.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.serve.mutants import mutants
from tests.serve.served import serving

COUNT, SEED = 10_000, 12
LONGEST_S, MOST_GROWTH = 30.0, 1.1
OPTIONS = ("-r", "logmel", "--duration-s", "60", "--upload-mb", "5", "--work-s", str(LONGEST_S))


def main(count: int) -> None:
    """Send so many uploads and print a table; exit 1 where something should not have been."""
    counted, slowest_s, early_mb = Counter[int](), 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), OPTIONS) as served:
        began = time.perf_counter()
        for number, one in enumerate(mutants(count, SEED)):
            started = time.perf_counter()
            counted[served.ask("/embed", one.body, one.headers).status] += 1
            slowest_s = max(slowest_s, time.perf_counter() - started)
            if number == count // 10:
                early_mb = served.memory_mb
        seconds = time.perf_counter() - began
        died, slow, late_mb = served.count("workers_died"), served.count("workers_too_slow"), served.memory_mb
    answers = ", ".join(f"{status}: {n:,}" for status, n in sorted(counted.items()))
    print(
        "| uploads | s | answers by status | slowest s | workers died | too slow | MB after a tenth | MB at the end |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    memory = f"{early_mb:.0f} | {late_mb:.0f}"
    print(f"| {count:,} | {seconds:.0f} | {answers} | {slowest_s:.2f} | {died} | {slow} | {memory} |")
    is_fine = max(counted) < 500 and not died and not slow and late_mb <= MOST_GROWTH * early_mb
    sys.exit(not is_fine)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
