"""How long the service takes to answer, alone and under a bounded load: `python -m bench.serve` prints the table.

One worker and eight places to wait, ten seconds of audio, several clients that ask again as soon as they are answered.
Times are of requests that were answered with 200, seconds on the clock of a client on the same machine.
"""

import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from tests.serve.served import Served, serving, tone

OPTIONS = ("-r", "logmel", "--waiting", "8")
AT_ONCE, EACH_S = (1, 2, 9, 36), 10.0
AUDIO_S, RATE = 10.0, 44100


def main() -> None:
    """Print a line for each number of clients; 36 are four times what the service takes at once."""
    content = tone(0.3, AUDIO_S, "FLAC", RATE)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), OPTIONS) as served:
        served.ask("/embed", content)
        print("| clients | 200 | 429 | other | per second | median s | 95 % s | slowest s | 429 median s |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for clients in AT_ONCE:
            print(_line(clients, _loaded(served, content, clients)), flush=True)


def _loaded(served: Served, content: bytes, clients: int) -> list[tuple[int, float]]:
    """Return status and seconds of every request that so many clients made."""
    found, end = list[tuple[int, float]](), time.perf_counter() + EACH_S

    def client() -> None:
        while (started := time.perf_counter()) < end:
            status = served.ask("/embed", content).status
            found.append((status, time.perf_counter() - started))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


def _line(clients: int, found: list[tuple[int, float]]) -> str:
    counted = Counter(status for status, _ in found)
    heard, sent_away = (sorted(s for status, s in found if status == wanted) for wanted in (200, 429))
    other = len(found) - len(heard) - len(sent_away)
    cut = heard[min(len(heard) - 1, round(0.95 * len(heard)))]
    away = f"{statistics.median(sent_away):.3f}" if sent_away else ""
    return (
        f"| {clients} | {counted[200]} | {counted[429]} | {other} | {len(heard) / EACH_S:.1f} | "
        f"{statistics.median(heard):.3f} | {cut:.3f} | {heard[-1]:.3f} | {away} |"
    )


if __name__ == "__main__":
    main()
