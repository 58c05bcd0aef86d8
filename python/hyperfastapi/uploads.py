"""Forms and files taken as they arrive, for uploads that must not be spooled to disk first.

    from hyperfastapi import FastAPI, Request
    from hyperfastapi.uploads import stream_parts

    @app.post("/videos")
    async def upload(request: Request) -> int:
        size = 0
        async for part in stream_parts(request):
            if part.filename is None:
                note = await part.text()
                continue
            async for chunk in part:
                size += len(chunk)
        return size

An endpoint must not declare `Form` or `File` parameters beside it: FastAPI would have read the body
then. It works under every server, in FastAPI's and in Starlette's endpoints.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from . import _core

__all__ = ["Part", "UploadError", "stream_parts"]

_Event = tuple[str, bytes, bytes]


class UploadError(HTTPException):
    """A form that cannot be taken: a response with status 400 unless something handles it.

    Args:
        detail: what is wrong with it, for the client.
        status_code: of the response.
    """

    def __init__(self, detail: str, status_code: int = 400) -> None:
        super().__init__(status_code, detail)


class _Source:
    """The events of a body, read piece by piece."""

    def __init__(self, pieces: AsyncIterator[bytes], boundary: bytes) -> None:
        self._pieces = pieces
        self._parser = _core.MultipartParser(boundary)
        self._events: deque[_Event] = deque()

    async def next(self) -> _Event:
        while not self._events:
            try:
                piece = await self._pieces.__anext__()
            except StopAsyncIteration:
                raise UploadError("The form ends early.") from None
            try:
                self._events.extend(self._parser.feed(piece))
            except ValueError:
                raise UploadError("Invalid multipart data.") from None
        return self._events.popleft()


class Part:
    """One field or file of a form, whose content arrives while it is iterated over.

    Iterate over it once, or call `read()` or `text()`, before the next part is asked for: what is
    left of it then is passed over.

    Attributes:
        name: the field's name.
        filename: the file's name as the client tells it, never to be trusted as a path; None: the
            part is a field.
        headers: the part's headers.
    """

    def __init__(
        self, source: _Source, name: str, filename: str | None, headers: Headers, charset: str
    ) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        self._charset = charset
        self._source = source
        self._is_over = False
        self._was_passed_over = False

    @property
    def content_type(self) -> str | None:
        """The part's Content-Type."""
        return self.headers.get("content-type")

    def __repr__(self) -> str:
        return f"Part(name={self.name!r}, filename={self.filename!r})"

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the content in pieces of any size, none of them empty.

        Raises:
            UploadError: the form is malformed, or ends before the part does.
            RuntimeError: the next part has been asked for.
            starlette.requests.ClientDisconnect: the client has left.
        """
        if self._was_passed_over:
            raise RuntimeError("the part has been passed over: read it before the next one")
        while not self._is_over:
            kind, _, data = await self._source.next()
            if kind == "data":
                yield data
            else:
                self._is_over = True

    async def read(self, max_size: int = 1024 * 1024) -> bytes:
        """Return what is left of the content.

        Args:
            max_size: bytes that are taken at most.

        Raises:
            UploadError: the content is larger, with status 413; or as iterating does.
        """
        content = bytearray()
        async for piece in self:
            if len(content) + len(piece) > max_size:
                raise UploadError(f"Part exceeded maximum size of {max_size} bytes.", 413)
            content += piece
        return bytes(content)

    async def text(self, max_size: int = 1024 * 1024) -> str:
        """Return what is left of the content as text, decoded as Starlette's forms are.

        Args:
            max_size: bytes that are taken at most.

        Raises:
            UploadError: as `read()` does.
        """
        return _decode(await self.read(max_size), self._charset)

    async def _pass_over(self) -> None:
        async for _ in self:
            pass
        self._was_passed_over = True


def _decode(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return data.decode("latin-1")


def _charset(options: dict[str, str]) -> str:
    try:
        return codecs.lookup(options.get("charset", "utf-8")).name
    except LookupError:
        return "latin-1"


def _part(source: _Source, raw: list[tuple[bytes, bytes]], charset: str) -> Part:
    disposition = next((value for name, value in reversed(raw) if name == _DISPOSITION), b"")
    options = _core.header_options(disposition)[1]
    if "name" not in options:
        raise UploadError('The Content-Disposition header field "name" must be provided.')
    name = _decode(options["name"].encode("latin-1"), charset)
    filename = options.get("filename")
    if filename is not None:
        filename = _decode(filename.encode("latin-1"), charset)
    return Part(source, name, filename, Headers(raw=raw), charset)


_DISPOSITION = b"content-disposition"


async def stream_parts(request: Request, *, max_parts: int = 1000) -> AsyncGenerator[Part, None]:
    """Iterate over the parts of a multipart form while it arrives.

    No more of it is in memory than a piece that the server has received; the client has to wait
    while a piece is worked on.

    Args:
        request: the request, whose body nothing has read yet.
        max_parts: parts that a form may have.

    Raises:
        UploadError: the body is no multipart form (status 415), is malformed, ends before its last
            delimiter, or has too many parts.
        RuntimeError: the body has been read.
        starlette.requests.ClientDisconnect: the client has left.
    """
    content_type = request.headers.get("content-type", "")
    kind, options = _core.header_options(content_type.encode("latin-1"))
    if kind != "multipart/form-data":
        raise UploadError("A multipart form is expected.", 415)
    if "boundary" not in options:
        raise UploadError("Missing boundary in multipart.")
    charset = _charset(options)
    async with aclosing(request.stream()) as pieces:
        try:
            source = _Source(pieces, options["boundary"].encode("latin-1"))
        except ValueError:
            raise UploadError("Invalid multipart data.") from None
        headers: list[tuple[bytes, bytes]] = []
        count = 0
        while True:
            event, name, value = await source.next()
            if event == "finish":
                return
            if event == "header":
                headers.append((name.lower(), value))
                continue
            count += 1
            if count > max_parts:
                raise UploadError(f"Too many parts. Maximum number of parts is {max_parts}.")
            part = _part(source, headers, charset)
            headers = []
            yield part
            await part._pass_over()
