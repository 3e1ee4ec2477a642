"""One file over HTTP: resumed, verified, from one mirror after the other; under its final name only when whole."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from earmark.errors import DataError
from earmark.sources import checksums
from earmark.sources.part import Part

CONNECT_S, READ_S = 20.0, 60.0
READ_BYTES = 1 << 18
TRIES = 6
LONGEST_WAIT_S = 120.0
# Asked for as it lies there: a length or a checksum of something compressed on the way would mean nothing.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "earmark"}
COMPRESSED = (".gz", ".tgz")

# Statuses that another try may change; every other one that brings no file is final for its URL.
PASSING = {408, 425, 429, 500, 502, 503, 504}
HOPELESS = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)

Advance = Callable[[int, int | None], None]
Vouch = Callable[[Path, str], None]


class _Refused(Exception):
    """The file cannot be had from one URL, however often it is asked."""


class _Broken(Exception):
    """A try failed; another may not. `wait_s` is how long the server asked to be left alone."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def download(
    urls: Sequence[str],
    target: Path,
    *,
    checksum: str = "",
    size_bytes: int | None = None,
    advance: Advance = lambda done, total: None,
    vouch: Vouch = lambda part, sha256: None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch a file from the first URL that gives it whole, resuming what an earlier call began; return its sha256.

    Whole means: of the published `size_bytes` and `checksum` ("sha256:…", "md5:…"), and where neither is
    published of the length that the server told. `advance` hears of bytes here and in total, and may raise
    to break off; what is here is kept. `vouch` hears of the whole file, under the name it still has, and its sha256
    just before it gets its own. Raises DataError with every URL's reason.
    """
    reasons = []
    with requests.Session() as session:
        for url in urls:
            try:
                one = _Download(session, url, Part.of(target), checksum, size_bytes, advance, sleep)
                return one.into(target, vouch)
            except _Refused as refusal:
                reasons.append(f"{url}: {refusal}")
    here = Part.of(target).size
    kept = f" The {here} bytes that came are kept: the next time goes on from there." if here else ""
    raise DataError(
        f"'{target.name}' could not be fetched. {'; '.join(reasons)}.{kept} "
        f"Try again later, or put the file at '{target}' yourself."
    )


def told_size(urls: Sequence[str]) -> int | None:
    """Ask the servers how many bytes a file has; None when none of them tells."""
    with requests.Session() as session:
        for url in urls:
            try:
                answer = session.head(url, headers=HEADERS, allow_redirects=True, timeout=(CONNECT_S, CONNECT_S))
            except requests.RequestException:
                continue  # a server that does not answer tells nothing; the download will say why
            if answer.status_code == 200 and answer.headers.get("Content-Length", "").isdecimal():
                return int(answer.headers["Content-Length"])
    return None


@dataclass
class _Download:
    session: requests.Session
    url: str
    part: Part
    checksum: str
    size_bytes: int | None
    advance: Advance
    sleep: Callable[[float], None]

    def into(self, target: Path, vouch: Vouch) -> str:
        """Bring the file under its name; a second time from its start if parts of two files were mixed."""
        self.part.is_mixed = self.part.size > 0
        for may_again in (True, False):
            self._receive_all()
            measured = checksums.measure(self.part.path, self.checksum, self.size_bytes)
            if not measured.problem:
                vouch(self.part.path, measured.sha256)
                self.part.become(target)
                return measured.sha256
            was_mixed = self.part.is_mixed
            self.part.drop()
            if not (was_mixed and may_again):
                break
        raise _Refused(f"sent other bytes than were published: {measured.problem}")

    def _receive_all(self) -> None:
        """Try until all is here, giving up after `TRIES` tries in a row that brought nothing new."""
        longest, idle = self.part.size, 0
        while True:
            wait_s = 0.0
            try:
                return self._receive()
            except HOPELESS as error:
                raise _Refused(str(error)) from error
            except _Broken as error:
                reason, wait_s = str(error), error.wait_s
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = _in_words(error)
            idle = 0 if self.part.size > longest else idle + 1
            longest = max(longest, self.part.size)
            if idle == TRIES:
                raise _Refused(f"gave up after {TRIES} tries that brought nothing new, the last one: {reason}")
            self.sleep(min(max(wait_s, 2.0**idle), LONGEST_WAIT_S))

    def _receive(self) -> None:
        """Ask once for what is missing, and write down what comes."""
        offset = self.part.size if self._may_resume else 0
        if offset and offset == self.part.total:
            return
        asked = {**HEADERS, "Range": f"bytes={offset}-"} if offset else HEADERS
        if offset and self.part.url == self.url and self.part.validator:
            asked["If-Range"] = self.part.validator
        with self.session.get(self.url, headers=asked, stream=True, timeout=(CONNECT_S, READ_S)) as answer:
            if offset and answer.status_code == 416:
                return self._require_whole(answer.headers, offset)
            self._require_file(answer, (200, 206) if offset else (200,))
            if offset and answer.status_code == 206:
                self._go_on(answer.headers, offset)
            else:
                self.part.begin(self.url, _validator(answer.headers), self._total(answer))
            try:
                self._pour(answer)
            finally:
                self.part.keep()

    @property
    def _may_resume(self) -> bool:
        """Whether a mixture of two files would be noticed: by the checksum, or by the server."""
        return bool(self.checksum) or (self.part.url == self.url and bool(self.part.validator))

    def _require_file(self, answer: requests.Response, wanted: tuple[int, ...]) -> None:
        """Refuse what is no file, or not the one that was published."""
        status, headers, name = answer.status_code, answer.headers, urlsplit(self.url).path.lower()
        if status in PASSING:
            raise _Broken(f"answered {status} {answer.reason}", _retry_after_s(headers.get("Retry-After", "")))
        if status not in wanted:
            raise _Refused(f"answered {status} {answer.reason}")
        if headers.get("Content-Encoding", "identity") != "identity" and not name.endswith(COMPRESSED):
            raise _Refused(f"sends it compressed as {headers['Content-Encoding']}, which was not asked for")
        is_page = headers.get("Content-Type", "").startswith(("text/html", "application/xhtml"))
        if is_page and not self.checksum and not name.endswith((".html", ".htm")):
            raise _Refused("sent a web page in place of the file (an error, a login or terms to accept?); open it")
        total = self._total(answer)
        if self.size_bytes not in (None, total):
            raise _Refused(f"expected {self.size_bytes} bytes, got {total}: another file lies there now")
        tells_end = status == 206 or total is not None or headers.get("Transfer-Encoding", "") == "chunked"
        if not (tells_end or self.checksum):
            raise _Refused("does not tell how long the file is, and no checksum or size of it is published")

    def _total(self, answer: requests.Response) -> int | None:
        """How long the server says the whole file is, or else its publisher."""
        if answer.status_code == 206:
            told = _content_range(answer.headers).total
        else:
            length = answer.headers.get("Content-Length", "")
            told = int(length) if length.isdecimal() else None
        return self.size_bytes if told is None else told

    def _go_on(self, headers: Mapping[str, str], offset: int) -> None:
        """Accept a partial answer that continues what is here; else begin anew with the next try."""
        given, part, validator = _content_range(headers), self.part, _validator(headers)
        is_other = part.url == self.url and _differ(validator, part.validator)
        if given.start != offset or is_other or _differ(given.total, part.total):
            part.drop()
            raise _Broken("answered with other bytes than were asked for, or the file changed")
        part.url, part.validator, part.is_mixed = self.url, validator, True
        part.total = part.total or given.total

    def _require_whole(self, headers: Mapping[str, str], offset: int) -> None:
        """Judge "nothing lies beyond what you have": the file may be whole, or another one by now."""
        ends_here = _content_range(headers).total in (None, offset)
        if not (ends_here and (self.checksum or self.part.total in (None, offset))):
            self.part.drop()
            raise _Broken("answered 416: what was here is no longer a part of the file")
        self.part.total = offset

    def _pour(self, answer: requests.Response) -> None:
        # read1 gives what has come: of a connection that drops, nothing that arrived is lost.
        part = self.part
        while chunk := answer.raw.read1(READ_BYTES, decode_content=False):
            part.write(chunk)
            self.advance(part.size, part.total)
        if part.total is not None and part.size < part.total:
            raise _Broken(f"broke off at {part.size} of {part.total} bytes")
        if part.total is not None and part.size > part.total:
            part.drop()
            raise _Broken("sent more than the whole file")


@dataclass(frozen=True)
class _Range:
    start: int | None = None
    total: int | None = None


def _content_range(headers: Mapping[str, str]) -> _Range:
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", "").strip())
    return _Range(*(int(number) if number else None for number in found.groups())) if found else _Range()


def _differ(one: object, other: object) -> bool:
    """Tell whether two things that a server may leave out contradict each other."""
    return bool(one and other and one != other)


def _validator(headers: Mapping[str, str]) -> str:
    """What names this version of a file: its ETag unless that is a weak one, else when it was last modified."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _retry_after_s(told: str) -> float:
    """Seconds of a Retry-After header, which holds seconds or a date; 0 when it holds neither."""
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):  # no date, or one without a time zone
        return 0.0


def _in_words(error: Exception) -> str:
    match error:
        case requests.exceptions.ConnectTimeout():
            return f"no connection within {CONNECT_S:.0f} s"
        case requests.exceptions.ReadTimeout() | urllib3.exceptions.ReadTimeoutError():
            return f"no byte within {READ_S:.0f} s"
    reason = getattr(error.args[0] if error.args else None, "reason", error)
    return f"the connection failed ({reason})"
