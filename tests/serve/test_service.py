"""The service, as a process of its own: what it answers, what it refuses, and that nothing sent to it ends it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark import catalogue
from earmark.errors import UserError
from earmark.experiment.results import Run
from earmark.serve.answering import Loaded
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer
from tests.serve import moody
from tests.serve.mutants import mutants
from tests.serve.served import Served, as_form, children, level, serving, tone
from tests.test_run import EXPERIMENT, make_tones

N_MUTANTS = 300
TOKEN = "a-token-of-a-test-0123456789"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("served")
    make_tones(folder / "audio", each=4)
    text = EXPERIMENT.format(folder=folder / "audio")
    text = text.replace("{name: logmel, pool: [mean, std]}, {name: chroma}", "{name: logmel, pool: [mean, std]}")
    (folder / "tones.yml").write_text(text.replace("seeds: [0, 1]", "seeds: [0]"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(folder / "home"))
        patch.setenv("EARMARK_RUNS", str(folder / "runs"))
        yield earmark.run(folder / "tones.yml", quiet=True)


@pytest.fixture(scope="module")
def probe(run: Run) -> Path:
    (only,) = (run.folder / "probes").iterdir()
    return only


@pytest.fixture(scope="module")
def store(run: Run) -> Path:
    folder = run.folder.parents[1]
    return catalogue.add(folder / "cat", [folder / "audio"], "logmel", segment_s=0.2).folder


@pytest.fixture(scope="module")
def served(probe: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = ["--upload-mb", "0.2", "--duration-s", "5", "--work-s", "3", "--waiting", "2"]
    with serving(
        tmp_path_factory.mktemp("log"), ["-r", moody.NAME, "-p", str(probe), "--catalogue", str(store), *limits]
    ) as one:
        yield one


def test_it_embeds_a_file_as_the_body_or_in_a_form(served: Served) -> None:
    for body, headers in ((tone(moody.USUAL), {}), as_form(tone(moody.USUAL))):
        found = served.ask("/embed", body, headers)
        assert found.status == 200, found.said
        assert found.said["representation"] == "moody"
        assert found.said["duration_s"] == 0.5
        np.testing.assert_allclose(found.said["vectors"], [[[moody.USUAL], [0.0]]], atol=1e-4)


def test_it_predicts_what_the_probe_says_of_a_file(served: Served, probe: Path, run: Run) -> None:
    audio = sorted((run.folder.parents[1] / "audio").rglob("*.wav"))[5]
    expected = earmark.predict([audio], probe, unsure=0.6)
    found = served.ask("/predict?unsure=0.6", audio.read_bytes())
    assert found.status == 200, found.said
    assert {name: found.said[name] for name in expected.answers[0]} == expected.answers[0]
    assert found.said["calibrated"] is True
    assert (found.said["probe"], found.said["task"]) == (probe.name, "tone")


def test_it_finds_a_file_of_the_catalogue_and_where_in_it_a_part_occurs(served: Served, run: Run, store: Path) -> None:
    audio = sorted((run.folder.parents[1] / "audio").rglob("*.wav"))[7]
    found = served.ask("/search?k=3", audio.read_bytes())
    assert found.status == 200, found.said
    assert (found.said["level"], found.said["searched"], len(found.said["found"])) == ("track", 12, 3)
    assert found.said["found"][0]["score"] == pytest.approx(1, abs=1e-5)
    assert audio.as_posix().endswith(found.said["found"][0]["id"])
    assert str(run.folder.parents[1]) not in json.dumps(found.said)
    expected = catalogue.search(store, audio, 2, level="segment").hits
    parts = served.ask("/search?k=2&level=segment", audio.read_bytes()).said["found"]
    assert [(one["id"], one["start_s"]) for one in parts] == [(one.id, one.start_s) for one in expected]


def test_what_was_not_offered_is_refused(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(tone(moody.USUAL))
    loaded = Loaded(Offer(moody.NAME), Limits())
    for what, option in (("search", "--catalogue"), ("predict", "--probe")):
        with pytest.raises(UserError, match=option):
            loaded.answer(what, tmp_path / "upload", {})


def test_what_cannot_be_heard_is_said_without_the_paths_of_the_machine(served: Served) -> None:
    for body in (b"no audio", tone(moody.USUAL)[:900], b"RIFF" + bytes(100)):
        found = served.ask("/embed", body)
        assert found.status == 422
        assert found.said["error"] == "unusable"
        assert "/" not in found.said["message"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/predict?probe=none", "Expected ?probe= one of"),
        ("/predict?unsure=2", "Expected one number from 0 to 1"),
        ("/predict?unsure=high", "Expected ?unsure= a number"),
        ("/predict?accuracy=1&unsure=1", "got both"),
        ("/search?k=0", "Expected ?k= a whole number from 1 to 1000"),
        ("/search?level=bar", "Expected ?level= one of track, segment"),
    ],
)
def test_a_wrong_wish_is_a_422_that_says_what_is_right(served: Served, path: str, message: str) -> None:
    found = served.ask(path, tone(moody.USUAL))
    assert (found.status, found.said["error"]) == (422, "unusable")
    assert message in found.said["message"]


def test_audio_that_is_too_long_is_refused(served: Served) -> None:
    found = served.ask("/embed", tone(moody.USUAL, 5.5))
    assert found.status == 422
    assert "expected at most 5 s of audio, got 5.5 s" in found.said["message"]


@pytest.mark.parametrize("size", [250_000, 2_000_000])
def test_an_upload_that_is_too_large_is_refused_however_it_comes(served: Served, size: int) -> None:
    content = bytes(size)
    for body, headers in ((content, {}), as_form(content)):
        assert _status(served, body, headers) == 413
    chunked = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in _sent(served, chunked + b"%x\r\n" % size + content + b"\r\n0\r\n\r\n").split(b"\r\n")[0]


def _status(served: Served, body: bytes, headers: dict[str, str]) -> int:
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{told}\r\n".encode()
    return int(_sent(served, head + body).split()[1])


def _sent(served: Served, content: bytes) -> bytes:
    """Return the first bytes of the answer to raw bytes, which may come before all are sent."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        sender = threading.Thread(target=_send, args=(connection, content))
        sender.start()
        answer = connection.recv(65536)
        sender.join()
        return answer


def _send(connection: socket.socket, content: bytes) -> None:
    try:
        connection.sendall(content)
    except (ConnectionResetError, BrokenPipeError):  # it was answered and closed before
        return


@pytest.mark.parametrize(
    ("value", "error", "counter"),
    [
        (moody.HANGS, "too_slow", "workers_too_slow"),
        (moody.DIES, "undecodable", "workers_died"),
        pytest.param(moody.BREAKS, "undecodable", "workers_died", marks=pytest.mark.slow),
        pytest.param(moody.GREEDY, "undecodable", "workers_died", marks=pytest.mark.slow),
    ],
)
def test_a_worker_that_hangs_or_dies_is_a_422_and_another_takes_its_place(
    served: Served, value: float, error: str, counter: str
) -> None:
    before, started = served.count(counter), time.monotonic()
    (worker,) = [pid for pid in children(served.process.pid) if _is_worker(pid)]
    found = served.ask("/embed", level(value))
    assert (found.status, found.said["error"]) == (422, error)
    assert time.monotonic() - started < 30
    assert served.ask("/embed", tone(moody.USUAL)).status == 200
    assert served.count(counter) == before + 1
    assert worker not in children(served.process.pid)


def test_a_worker_that_is_lost_while_nobody_asks_is_counted_and_replaced(served: Served) -> None:
    before = served.count("workers_died")
    (worker,) = [pid for pid in children(served.process.pid) if _is_worker(pid)]
    os.kill(worker, signal.SIGKILL)
    _until(lambda: _has_ended(worker))
    found = served.ask("/embed", tone(moody.USUAL))
    assert found.status == 200, found.said
    assert served.count("workers_died") == before + 1


def _has_ended(pid: int) -> bool:
    """Return whether a process is gone, or has ended with all its threads and waits to be asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z" and len([*Path(f"/proc/{pid}/task").iterdir()]) == 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def _is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_at_four_times_its_capacity_it_says_429_and_answers_the_rest(served: Served) -> None:
    replies, lock = list[tuple[int, dict[str, str]]](), threading.Lock()

    def load() -> None:
        for _ in range(3):
            found = served.ask("/embed", level(moody.SLOW))
            with lock:
                replies.append((found.status, dict(found.headers)))

    callers = [threading.Thread(target=load) for _ in range(4 * Limits(waiting=2).at_once)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    counted = Counter(status for status, _ in replies)
    assert set(counted) == {200, 429}
    assert counted[200] >= 3
    assert all(int(headers["retry-after"]) >= 1 for status, headers in replies if status == 429)
    assert served.ask("/embed", tone(moody.USUAL)).status == 200
    assert served.count("requests_in_flight") == 0


def test_mutated_uploads_never_end_it_or_make_it_say_500(served: Served) -> None:
    before = served.count("workers_died"), served.count("workers_too_slow")
    counted: Counter[int] = Counter()
    for number, one in enumerate(mutants(N_MUTANTS, seed=0)):
        counted[served.ask(("/embed", "/predict")[number % 2], one.body, one.headers).status] += 1
    assert set(counted) <= {200, 400, 413, 422}, counted
    assert counted[200] > N_MUTANTS // 20
    assert counted[422] > N_MUTANTS // 4
    assert (served.count("workers_died"), served.count("workers_too_slow")) == before


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff" * 50 + b"\r\n\r\n",
        b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nabc",
        b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        b"POST /embed HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"POST /embed HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /embed HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_bytes_that_are_no_request_are_4xx(served: Served, content: bytes) -> None:
    assert _sent(served, content).split()[1].startswith(b"4")
    assert served.ask("/health", None, method="GET").status == 200


def test_a_connection_that_is_cut_leaves_nothing_behind(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        _until(lambda: served.count("requests_in_flight") == 1)
    _until(lambda: served.count("requests_in_flight") == 0)


def _until(is_so: object, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():  # type: ignore[operator]  # a function
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_names_that_clients_give_are_in_no_log(served: Served) -> None:
    body, headers = as_form(b"no audio", name="secret-name.wav")
    served.ask("/embed?probe=secret-name", body, headers)
    served.ask("/secret-name", body, headers)
    assert "secret-name" not in served.stderr.read_text()
    assert "secret-name" not in str(served.ask("/metrics", None, method="GET").said)


@pytest.mark.parametrize("path", ["/", "/embed/", "/docs", "/openapi.json", "/..%2f..%2fetc%2fpasswd"])
def test_there_is_nothing_else(served: Served, path: str) -> None:
    found = served.ask(path, None, method="GET")
    assert found.status in (404, 307)
    assert "etc" not in json.dumps(found.said)


@pytest.mark.parametrize("headers", [{"Host": "example.org"}, {"Origin": "https://example.org"}])
def test_without_a_token_only_programs_of_this_machine_are_answered(served: Served, headers: dict[str, str]) -> None:
    found = served.ask("/embed", tone(moody.USUAL), headers)
    assert (found.status, found.said["error"]) == (403, "not_here")


def test_metrics_are_text_that_counts(served: Served) -> None:
    before = served.count('requests_total{route="/embed",status="200"}')
    served.ask("/embed", tone(moody.USUAL))
    found = served.ask("/metrics", None, method="GET")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert served.count('requests_total{route="/embed",status="200"}') == before + 1
    assert all(line.startswith(("# TYPE earmark_", "earmark_")) for line in found.said.splitlines())


def test_beyond_this_machine_everybody_needs_the_token_and_the_end_is_tidy(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    environment = {"EARMARK_TOKEN": TOKEN, "TMPDIR": str(tmp_path / "tmp")}
    with serving(tmp_path, ["-r", moody.NAME, "--host", "0.0.0.0"], environment) as served:
        assert served.ask("/health", None, method="GET").status == 200
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            for path, method in (("/embed", "POST"), ("/metrics", "GET"), ("/nothing", "GET")):
                assert served.ask(path, None, given, method).status == 401
        known = {"Authorization": f"Bearer {TOKEN}", "Host": "example.org"}
        assert served.ask("/embed", tone(moody.USUAL), known).status == 200
        mapped = Path(f"/proc/{served.process.pid}/maps").read_text()
        assert "libtorch" not in mapped, "what anybody can talk to loads nothing that decodes"
        assert "sndfile" not in mapped
        assert len([*(tmp_path / "tmp").iterdir()]) == 1
        assert _ended(served, signal.SIGTERM, known) == 0
        assert [*(tmp_path / "tmp").iterdir()] == []


@pytest.mark.slow
def test_a_worker_that_hangs_does_not_outlive_a_service_that_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path, ["-r", moody.NAME]) as served:
        assert _ended(served, signal.SIGKILL, {}) == -signal.SIGKILL


def _ended(served: Served, how: signal.Signals, headers: dict[str, str]) -> int:
    """Return the exit code of a service that is ended while its worker hangs, once that worker is gone too."""
    workers = [pid for pid in children(served.process.pid) if _is_worker(pid)]
    assert len(workers) == 1
    asking = threading.Thread(target=_ask_in_vain, args=(served, headers))
    asking.start()
    _until(lambda: served.count("requests_in_flight", headers) == 1)
    served.process.send_signal(how)
    code = served.process.wait(30)
    asking.join()
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    return code


def _ask_in_vain(served: Served, headers: dict[str, str]) -> None:
    with contextlib.suppress(http.client.HTTPException, OSError):
        served.ask("/embed", level(moody.HANGS), headers)
