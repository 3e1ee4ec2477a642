"""What the service counts, as the text that Prometheus reads."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, math.inf)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Counts:
    """Requests by what they asked for and how they ended, how long they took, and the workers that were lost."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    within: Counter[tuple[str, float]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    uploaded_bytes: int = 0
    died: int = 0
    slow: int = 0

    def ended(self, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is one of ours: what a client writes into an address makes no new line."""
        self.requests[route, status] += 1
        self.seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds floats too
        for most in SECONDS:
            self.within[route, most] += seconds <= most

    def text(self, now: Mapping[str, float], n_lost: int) -> str:
        """Return all counts, and what is so at this moment, such as requests in flight, by name.

        `n_lost`: workers that died beside those counted here.
        """
        return "".join(f"{line}\n" for line in self._lines(now, n_lost))

    def _lines(self, now: Mapping[str, float], n_lost: int) -> Iterator[str]:
        yield "# TYPE earmark_requests_total counter"
        for (route, status), count in sorted(self.requests.items()):
            yield f'earmark_requests_total{{route="{route}",status="{status}"}} {count}'
        yield "# TYPE earmark_request_seconds histogram"
        for route, seconds in sorted(self.seconds.items()):
            for most in SECONDS:
                edge = "+Inf" if most == math.inf else f"{most:g}"
                yield f'earmark_request_seconds_bucket{{route="{route}",le="{edge}"}} {self.within[route, most]}'
            yield f'earmark_request_seconds_sum{{route="{route}"}} {seconds:.6f}'
            yield f'earmark_request_seconds_count{{route="{route}"}} {self.within[route, math.inf]}'
        died = self.died + n_lost
        counted = {"uploaded_bytes": self.uploaded_bytes, "workers_died": died, "workers_too_slow": self.slow}
        for name, count in counted.items():
            yield f"# TYPE earmark_{name}_total counter"
            yield f"earmark_{name}_total {count}"
        for name, value in now.items():
            yield f"# TYPE earmark_{name} gauge"
            yield f"earmark_{name} {value:g}"
