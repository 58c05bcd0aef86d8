"""What FastAPI and its server do, and compiled routes on ours could get wrong.

Tests name these in their docstrings. Where the other server's ways are not safe, the rule is ours:
docs/behaviour.md.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

BEHAVIOURS = {
    # Heads and framing
    "A1": "names in lower case; date and server, then the application's fields in their order",
    "A2": "the user's headers come before those that a response adds",
    "A3": "what is set on the injected Response comes after the response's own, duplicates too",
    "A4": "a returned response ignores what was injected, but for background tasks",
    "A5": "the injected status beats the decorator's",
    "A6": "204 and 304 have neither a body nor a length, but a type",
    "A7": "date and server of the application stand beside the server's",
    "A8": "reason phrases are Python's; an unknown status has none",
    "A9": "text has a charset, all else none",
    "A10": "without a length each message is a chunk, and empty ones are none",
    "A11": "a body of another length than declared is an error that closes",
    "A12": "fields that would end a head early are refused, Latin-1 is not",
    "A13": "HEAD is answered where there is a route for it, without a body",
    "A14": "HTTP/1.0 is answered as HTTP/1.0 and never in chunks",
    "A15": "100 Continue is sent when the application first reads, and only then",
    "A16": "a stream that fails is cut",
    "A17": "an unhandled error is a 500 that closes",
    "A18": "what two parsers could read in two ways is refused; any token is a method",
    "A19": "HTTP/1.1 has one Host, and a valid one",
    "A20": "white space around a value is no part of it",
    "A21": "pipelined requests are answered in order; background tasks hold up none",
    "A22": "heads and targets are bounded",
    # Routing
    "B23": "the first full match in the order of registration answers",
    "B24": "405 if only the method differs; `allow` is that of the first such route",
    "B25": "OPTIONS without a route for it is a 405",
    "B26": "a slash too many or too few is a redirect, if the other spelling matches",
    "B27": "redirects come before a frontend's files",
    "B28": "paths are percent-decoded before they are matched",
    "B29": "neither dots nor slashes are normalised",
    "B30": "what each convertor matches; a miss is a 404",
    "B31": "a plain path parameter that does not validate is a 422",
    "B32": "URLs are built from the Host of the request",
    "B33": "fragments are ignored, the query string stays raw",
    "B34": "mounts extend root_path and keep the path",
    "B35": "a root_path of the server is stripped to match, and kept in redirects and documents",
    "B36": "a prefix is stripped at a segment's boundary only",
    "B37": "included routers have effective routes, and see routes that are added later",
    "B38": "the keys of the scope",
    "B39": "routing by host ignores case and port; TrustedHost refuses others",
    "B40": "WebSockets that match nothing or do not validate are refused with 403",
    # Parameters
    "C41": "how a query string is split and decoded",
    "C42": "which of several values of one name counts",
    "C43": "an empty list, an empty form field and an empty file are missing",
    "C44": "underscores of header parameters read hyphens",
    "C45": "the spellings of booleans",
    "C46": "the error of a missing value",
    "C47": "the order of errors",
    "C48": "dependencies with invalid parameters are skipped, exceptions beat errors",
    "C49": "the body is read before dependencies run",
    "C50": "the cache of dependencies",
    "C51": "defaults are copied, and validated only when asked for",
    "C52": "parameter models",
    "C53": "choices of aliases",
    "C54": "how cookies are split and unquoted",
    # Bodies
    "D55": "which content types are JSON",
    "D56": "bodies without a content type",
    "D57": "an empty body is missing",
    "D58": "what json.loads accepts",
    "D59": "malformed JSON is a 422 with position and message",
    "D60": "an unreadable body is a 400",
    "D61": "one body parameter or several",
    "D62": "bodies are validated as Python objects",
    "D63": "limits of multipart forms",
    "D64": "a multipart form without an end",
    "D65": "uploaded files",
    "D66": "URL-encoded forms",
    "D67": "limits of the body's size",
    "D68": "a body that nobody reads",
    "D69": "body(), json(), form() and stream() of a request",
    # Responses
    "E70": "two dialects of JSON",
    "E71": "floats, large integers and text in both",
    "E72": "streams of JSON lines and events",
    "E73": "response classes render what was serialised to Python",
    "E74": "response models filter",
    "E75": "an invalid response is a 500",
    "E76": "where a response is validated",
    "E77": "what jsonable_encoder makes of objects",
    "E78": "redirects quote their location",
    "E79": "None is null, unless the status has no body",
    "E80": "the responses of HTTPException",
    # Files
    "F81": "the fields of a file and their order, its ETag",
    "F82": "one range, several, and those that cannot be had",
    "F83": "where ranges are ignored",
    "F84": "what the client has is not sent again",
    "F85": "names of files",
    "F86": "a file goes out by its path only where nothing waits for its bytes",
    "F87": "directories: paths, links, methods, permissions",
    # Dependencies, background tasks, order
    "G88": "when a dependency with yield ends",
    "G89": "a streamed response ends before the dependency of the request",
    "G90": "exceptions are thrown into dependencies before handlers run",
    "G91": "an exception drops background tasks and headers",
    "G92": "background tasks run one after the other until one fails",
    "G93": "what runs in threads, and with which context",
    "G94": "leaving a `def` dependency waits for no thread of the limit",
    "G95": "limits of a dependency's concurrency",
    "G96": "overrides are looked up for each request",
    "G97": "what security schemes answer",
    # Middleware, exceptions, context
    "H98": "the order of middleware, and when it is fixed",
    "H99": "unhandled exceptions pass through middleware",
    "H100": "which handler answers",
    "H101": "a 404 of routing is an exception like any other",
    "H102": "a handler after the start of the response",
    "H103": "BaseHTTPMiddleware: tasks, contexts, bodies",
    "H104": "state of the lifespan is copied for each request",
    "H105": "context variables of the lifespan stay there",
    "H106": "a request is one ordinary task of an ordinary loop",
    "H107": "telemetry that is configured is obeyed",
    "H108": "what applications override and change",
    "H109": "CORS",
    "H110": "GZip",
    # Disconnects, streams, WebSockets, processes
    "I111": "handlers are not cancelled when their client leaves; what they send is dropped",
    "I112": "streams are cancelled when their client leaves",
    "I113": "iterators of `def` take their steps in threads, and are not closed by a cancellation",
    "I114": "server-sent events: fields, pings, turns of other tasks",
    "I115": "`http.disconnect` comes after the response, with the client gone, and at the end",
    "I116": "a WebSocket's states and codes, and what is raised once it is closed",
    "I117": "JSON, subprotocols, headers and denial responses of WebSockets",
    "I118": "dependencies of a WebSocket end after its endpoint; what is invalid is a 1008",
    "I119": "lifespans that are not supported, fail, or leave a state",
    "I120": "the first signal drains, the second ends; the exit status tells of it",
    "I121": "who is believed to say who the client is",
    "I122": "the lines of the access log, and when they are written",
    "I123": "TestClient",
}
_NUMBER = re.compile(r"\b[A-Z]\d+\b")


def named(*directories: Path) -> dict[str, list[str]]:
    """The tests of each behaviour: those whose docstrings name it.

    Args:
        directories: where test modules are.
    """
    tests: dict[str, list[str]] = {}
    for module in (path for d in directories for path in sorted(d.rglob("test_*.py"))):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in _NUMBER.findall(ast.get_docstring(node) or ""):
                    tests.setdefault(number, []).append(f"{module.name}::{node.name}")
    return tests
