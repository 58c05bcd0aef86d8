"""Forms and uploaded files.

The core reads forms itself (glue/form_reader.h) where all that reads them otherwise is as it was
when this module was written, `problem()` says; what it needs of Python objects is made here.
"""

from __future__ import annotations

import codecs
import functools
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any, Protocol, cast

from fastapi import params
from fastapi.dependencies import utils
from starlette import formparsers
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Receive, Scope

from .dependants import ModelField
from .errors import unreadable
from .parameters import result_of
from .route_info import RouteInfo

# Names in it that are not public.
_dependencies: Any = utils

Limits = tuple[int, int, int]
"""`max_files`, `max_fields`, `max_part_size` in bytes."""

Items = list[tuple[str, Any]]
"""What a FormData holds: names with str and UploadFile objects."""

# python-multipart has other rules for white space and for what follows a boundary in releases
# before, and nobody knows about those after.
_PARSERS = ("0.0.34",)

# What the core does in the place of these.
_REPLACED: tuple[tuple[Any, str], ...] = (
    (Request, "form"),
    (Request, "_get_form"),
    (FormData, "__init__"),
    (FormData, "close"),
    (FormParser, "__init__"),
    (FormParser, "parse"),
    (MultiPartParser, "__init__"),
    (MultiPartParser, "parse"),
    (MultiPartParser, "on_headers_finished"),
    (MultiPartParser, "on_part_data"),
    (MultiPartParser, "on_part_end"),
    (UploadFile, "write"),
    (UploadFile, "seek"),
    (UploadFile, "close"),
    (SpooledTemporaryFile, "write"),
    (SpooledTemporaryFile, "seek"),
    (formparsers, "SpooledTemporaryFile"),
    (formparsers, "UploadFile"),
    (_dependencies, "_get_multidict_value"),
    (_dependencies, "_is_empty_file_input"),
    (_dependencies, "_get_form_models"),
    (_dependencies, "_extract_form_items"),
)
_ORIGINALS = tuple(getattr(owner, name, None) for owner, name in _REPLACED)

SPOOL_GUARD = (MultiPartParser, "spool_max_size")
"""An attribute that applications set: how many bytes of a file stay in memory."""


def problem() -> str | None:
    """Say why the core cannot read forms; None: it can."""
    parser = getattr(formparsers, "multipart", None)
    version = getattr(parser, "__version__", "of an unknown release")
    if version not in _PARSERS:
        return f"it takes a form, and python-multipart {version} is not known"
    if not hasattr(formparsers, "FormParserError"):
        return "it takes a form, and before Starlette 1.7 malformed ones are refused otherwise"
    for (owner, name), original in zip(_REPLACED, _ORIGINALS, strict=True):
        current = getattr(owner, name, None)
        if current is None:
            return "it takes a form, and this release of FastAPI or Starlette reads them otherwise"
        if current is not original or hasattr(current, "__wrapped__"):
            return f"it takes a form, and something has replaced {name}()"
    if type(MultiPartParser.spool_max_size) is not int:
        return "it takes a form, and spool_max_size is no number"
    return None


# --- At the route's compilation ----------------------------------------------------------------


def needs_fastapi(field: ModelField) -> bool:
    """Tell whether FastAPI's own function has to extract a field from a form."""
    if _dependencies._get_form_models(field) or _dependencies._is_json_field(field):
        return True
    annotation = field.field_info.annotation
    return isinstance(field.field_info, params.File) and (
        _dependencies.is_bytes_or_nonable_bytes_annotation(annotation)
        or _dependencies.is_bytes_sequence_annotation(annotation)
    )


@functools.cache
def default_limits() -> Limits:
    """Return the limits of `Request.form()`."""
    defaults = cast("dict[str, Any]", cast(Any, Request.form).__kwdefaults__)
    return defaults["max_files"], defaults["max_fields"], defaults["max_part_size"]


# --- For a request -----------------------------------------------------------------------------


def form_limits(info: RouteInfo, scope: Scope | None) -> Limits:
    """Return the limits that count for a request.

    Args:
        info: the route's.
        scope: the request's; None: nothing around has put anything into it.
    """
    inherited = (scope or {}).get("fastapi", {}).get("form_limits", {})
    files, fields, size = default_limits()
    merged = {"max_files": files, "max_fields": fields, "max_part_size": size, **inherited}
    for each in info.form_limits:
        merged.update(each)
    return merged["max_files"], merged["max_fields"], merged["max_part_size"]


def apply_limits(scope: Scope, limits: Sequence[dict[str, int]]) -> None:
    """Put the routers' limits into a scope, as FastAPI's routers do."""
    for each in limits:
        if each:
            shared = scope.setdefault("fastapi", {})
            shared["form_limits"] = {**shared.get("form_limits", {}), **each}


def form_error(fault: int, limits: Limits) -> Exception:
    """Make the exception for a form that is refused.

    Args:
        fault: what is wrong; the numbers are those of glue/form_reader.c.
        limits: those of the request.
    """
    files, fields, size = limits
    message = (
        f"Too many fields. Maximum number of fields is {fields}.",
        f"Too many files. Maximum number of files is {files}.",
        f"Part exceeded maximum size of {int(size / 1024)}KB.",
        f"Field exceeded maximum size of {int(size / 1024)}KB.",
        'The Content-Disposition header field "name" must be provided.',
        "Invalid multipart data.",
        "Missing boundary in multipart.",
    )[fault]
    error = HTTPException(status_code=400, detail=message)
    error.__context__ = MultiPartException(message)
    return error


def form_charset(charset: str) -> str:
    """Return the codec of a charset that a form names."""
    try:
        return codecs.lookup(charset).name
    except LookupError:
        return "latin-1"


def fill_file(file: SpooledTemporaryFile[bytes], content: bytes) -> None:
    """Give a new file its content.

    The content is shared, not copied: by the file, until something is written to it, and by who
    reads all of it.
    """
    file._file = BytesIO(content)


def make_upload(
    file: SpooledTemporaryFile[bytes],
    size: int,
    filename: str,
    headers: list[tuple[bytes, bytes]],
) -> UploadFile:
    """Make the object of an uploaded file."""
    return UploadFile(
        file=cast(Any, file), size=size, filename=filename, headers=Headers(raw=headers)
    )


def is_empty_file(value: Any) -> bool:
    """Tell whether a value is what browsers send where no file is chosen."""
    return bool(_dependencies._is_empty_file_input(value))


def make_form(items: Items | None) -> FormData:
    """Make what FastAPI calls the body; None: of what is no form."""
    return FormData() if items is None else FormData(items)


class Reader(Protocol):
    """What reads a form; the core's FormReader."""

    def feed(self, piece: bytes, /) -> bool:
        """Take a piece of the body, and tell whether `write()` has something to do."""
        ...

    def write(self) -> None:
        """Write to disk; may block."""
        ...

    def finish(self) -> None:
        """End the body."""
        ...

    def abort(self) -> None:
        """Close what there is of the form."""
        ...


async def read_form(receive: Receive, reader: Reader, scope: Scope) -> None:
    """Read a form that another server, or a middleware, hands over.

    Raises:
        HTTPException: what FastAPI's handler makes of a form that cannot be read.
    """
    try:
        async with aclosing(Request({"type": "http"}, receive).stream()) as stream:
            async for piece in stream:
                if piece and reader.feed(piece):
                    await run_in_threadpool(reader.write)
        reader.finish()
    except BaseException as exc:
        reader.abort()
        if isinstance(exc, HTTPException) or not isinstance(exc, Exception):
            raise
        raise unreadable(exc, scope) from exc


def form_values(
    fields: list[ModelField], form: FormData, info: RouteInfo
) -> tuple[dict[str, Any], Any] | Coroutine[Any, Any, Any]:
    """Have FastAPI's own function extract fields from a form.

    Args:
        fields: those of one dependant.
        form: the form.
        info: the route's.

    Returns:
        Values and errors; a coroutine for them where reading a file may have to wait.
    """
    extracting = _dependencies.request_body_to_args(
        body_fields=fields, received_body=form, embed_body_fields=info.embeds
    )
    if not all(_is_read_at_once(value) for _, value in form.multi_items()):
        return cast("Coroutine[Any, Any, Any]", extracting)
    return cast("tuple[dict[str, Any], Any]", result_of(extracting))


_READ, _SEEK = UploadFile.read, UploadFile.seek


def _is_read_at_once(value: Any) -> bool:
    if not isinstance(value, UploadFile):
        return True
    kind = type(value)
    return value._in_memory and kind.read is _READ and kind.seek is _SEEK


def close_form(items: Items) -> Coroutine[Any, Any, None] | None:
    """Close the files of a form as `FormData.close()` does; None: that is done."""
    uploads = [value for _, value in items if isinstance(value, UploadFile)]
    for index, upload in enumerate(uploads):
        if not upload._in_memory:
            return _close(uploads[index:])
        upload.file.close()
    return None


async def _close(uploads: list[UploadFile]) -> None:
    for upload in uploads:
        await upload.close()


spooled_file: Callable[[int], SpooledTemporaryFile[bytes]] = SpooledTemporaryFile
"""Makes the file of an upload, of which so many bytes stay in memory."""
