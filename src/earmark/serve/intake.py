"""Uploads: a request's body into a file of ours, bounded in bytes and seconds. Its own file names are never used."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from earmark.serve.limits import Limits

COPIED_BYTES = 1 << 20
MOST_FIELDS, MOST_FIELD_BYTES = 8, 1024
DRAINED_TIMES = 4
"""A body this many times over the limit is still read to its end, so that its sender reads the answer."""


class Refused(Exception):
    """An upload that is not taken: a status, a word, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@contextmanager
def room(folder: Path) -> Iterator[IO[bytes]]:
    """Give a file for an upload, which is gone after the block. Raises Refused where the disk has no room for it."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            yield file
    except OSError as error:  # at the first byte, at any later one, or when the last are written out
        raise Refused(503, "no_room", "The service could not keep the upload. Try again later.") from error


async def receive(request: Request, file: IO[bytes], limits: Limits) -> None:
    """Write the audio of a request into a file: its body, or the one file of a form. Raises Refused."""
    try:
        async with asyncio.timeout(limits.upload_s):
            if request.headers.get("content-type", "").lower().startswith("multipart/"):
                await _form(request, file, limits)
            else:
                async for chunk in _bounded(request, limits):
                    file.write(chunk)
    except TimeoutError as error:
        raise Refused(408, "slow_upload", f"Expected an upload within {limits.upload_s:g} s.") from error
    except ClientDisconnect as error:
        raise Refused(400, "cut_off", "Expected a whole upload; the connection ended before.") from error
    if not file.tell():
        raise Refused(
            400, "empty", "Expected audio as the body of the request, or as the one file of a form; got nothing."
        )
    file.flush()


async def _form(request: Request, file: IO[bytes], limits: Limits) -> None:
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits),
        max_files=1,
        max_fields=MOST_FIELDS,
        max_part_size=MOST_FIELD_BYTES,  # text is decoded here, by whatever charset its sender names: some take minutes
    )
    try:
        form = await parser.parse()
    except (MultiPartException, LookupError, ValueError) as error:  # also of charsets that a form may name
        expected = f"one file and at most {MOST_FIELDS} fields of {MOST_FIELD_BYTES} bytes"
        raise Refused(400, "bad_form", f"Expected a form that can be read, of {expected}; got another.") from error
    try:
        uploads = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
        if len(uploads) != 1:
            raise Refused(400, "bad_form", "Expected a form with one file in it; got one without.")
        while chunk := await uploads[0].read(COPIED_BYTES):
            file.write(chunk)
    finally:
        await form.close()


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """Yield a body as it comes. Raises Refused for one that is longer than it may be."""
    too_large = Refused(413, "too_large", f"Expected at most {limits.upload_bytes:,} bytes.")
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told[:20]) > DRAINED_TIMES * limits.upload_bytes:
        raise too_large
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > DRAINED_TIMES * limits.upload_bytes:
            raise too_large
        if n_bytes <= limits.upload_bytes:
            yield chunk
    if n_bytes > limits.upload_bytes:
        raise too_large
