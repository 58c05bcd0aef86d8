"""What a mounted StaticFiles answers with a file, for the core to answer by itself."""

from __future__ import annotations

import mimetypes
import os
import sys
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from . import Unknown

_METHODS = (
    (StaticFiles, "__call__"),
    (StaticFiles, "get_path"),
    (StaticFiles, "get_response"),
    (StaticFiles, "lookup_path"),
    (StaticFiles, "file_response"),
    (StaticFiles, "is_not_modified"),
    (NotModifiedResponse, "__init__"),
    (FileResponse, "__init__"),
    (FileResponse, "__call__"),
    (FileResponse, "set_stat_headers"),
    (FileResponse, "_handle_simple"),
    (Response, "init_headers"),
    (Mount, "handle"),
)
_ORIGINALS = tuple(vars(owner).get(name) for owner, name in _METHODS)
_ATTRIBUTES = frozenset(
    {"directory", "packages", "all_directories", "html", "config_checked", "follow_symlink"}
)


@dataclass(frozen=True, slots=True)
class Site:
    """The files of one mount, as glue/static_files.h has them.

    Attributes:
        app: what is mounted.
        prefix: the mount's path and a slash.
        directory: where the files are, with a slash at its end.
        follows_links: whether symbolic links may lead anywhere.
        watched: dictionaries that descriptions of files depend on.
        guards: (dictionary, key, value): what all this was read from.
        lists: (list, tuple of its items): the same.
    """

    app: StaticFiles
    prefix: bytes
    directory: bytes
    follows_links: bool
    watched: tuple[dict[str, Any], ...]
    guards: tuple[tuple[dict[str, Any], str, Any], ...]
    lists: tuple[tuple[list[Any], tuple[Any, ...]], ...]

    def describe(self, path: bytes, descriptor: int) -> FileResponse:
        """Make the response that StaticFiles makes of a file.

        Args:
            path: where it is.
            descriptor: the open file.

        Raises:
            Unknown: the application does something of its own by now.
        """
        if not _is_plain(self.app):
            raise Unknown("it serves files in a way of its own")
        self.app.config_checked = True  # a file has been found in its directory
        return FileResponse(os.fsdecode(path), stat_result=os.fstat(descriptor))


def _is_plain(app: StaticFiles) -> bool:
    return type(app) is StaticFiles and set(vars(app)) <= _ATTRIBUTES


_CONDITIONS = StaticFiles(directory=os.curdir, check_dir=False)


def not_modified(
    response: FileResponse, fields: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]] | None:
    """Return the fields of a 304 response, where the client has the file already.

    Args:
        response: that of the file as it is.
        fields: the request's.
    """
    if not _CONDITIONS.is_not_modified(response.headers, Headers(raw=fields)):
        return None
    return NotModifiedResponse(response.headers).raw_headers


def _types() -> tuple[dict[str, Any], ...]:
    if not mimetypes.inited:
        mimetypes.init()
    database: Any = vars(mimetypes)["_db"]
    return (
        vars(mimetypes),
        *database.types_map,
        *database.types_map_inv,
        database.encodings_map,
        database.suffix_map,
    )


def is_static(app: Any) -> bool:
    """Tell whether a mounted application is Starlette's StaticFiles, or made of it."""
    return isinstance(app, StaticFiles)


def site_of(mount: Any) -> Site:
    """Describe the files of a mount.

    Args:
        mount: a plain mount of StaticFiles.

    Raises:
        Unknown: StaticFiles itself has to answer for every file; the text says why.
    """
    app: Any = mount.app
    for (owner, name), original in zip(_METHODS, _ORIGINALS, strict=True):
        if original is None or vars(owner).get(name) is not original:
            raise Unknown(f"{owner.__name__}.{name} is not Starlette's")
    if not _is_plain(app) or "{" in mount.path:
        raise Unknown("it serves files in a way of its own")
    directories = app.all_directories
    if type(directories) is not list or len(directories) != 1 or app.directory is None:
        raise Unknown("it serves the files of several directories, or of a package")
    directory = os.fspath(directories[0])
    if type(directory) is not str or sys.getfilesystemencoding().lower() != "utf-8":
        raise Unknown("its files have no names in UTF-8")
    if os.pardir in directory.split(os.sep) and app.follow_symlink:
        raise Unknown("its directory is told by way of its parent")
    names = ("directory", "all_directories", "follow_symlink")
    try:
        prefix = f"{mount.path}/".encode()
        types = _types()
    except (AttributeError, KeyError, UnicodeEncodeError) as error:
        raise Unknown(f"what it serves cannot be told: {error}") from None
    return Site(
        app=app,
        prefix=prefix,
        directory=os.fsencode(os.path.join(directory, "")),
        follows_links=bool(app.follow_symlink),
        watched=(vars(app), *types),
        guards=(
            (vars(mount), "app", app),
            *((vars(app), name, vars(app)[name]) for name in names),
        ),
        lists=((directories, tuple(directories)),),
    )
