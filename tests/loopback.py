"""An HTTP server on this machine that answers as it is told: AWS on a bad day.

moto cannot stall, lose a reply or throttle. Point ``Clients(endpoint_url=server.url)`` at this
one, and its real clients with their real time-outs meet what the script says.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

LONGEST_STALL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived.

    Attributes:
        operation: the last part of ``X-Amz-Target``, else the path.
        method: GET, PUT, POST…
        headers: by name as sent.
        body: the bytes.
    """

    operation: str
    method: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The decoded body."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``error`` is the code of an AWS error, whose fields are in ``body``."""

    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Bytes:
    """An answer of plain bytes, of which only the first ``sent`` arrive before the hang-up."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """Take the request and do not answer for as long as the server lives."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Take the request and close the connection without an answer."""


Reaction = Reply | Bytes | Stall | HangUp
THROTTLED = Reply(status=400, error="ProvisionedThroughputExceededException")
UNAVAILABLE = Reply(status=503, error="ServiceUnavailable")


class Loopback:
    """Answers each request by what ``react`` makes of it; use it as a context manager.

    Attributes:
        requests: every request taken, in order.
        connections: how many connections there were.
    """

    def __init__(self, react: Callable[[Request], Reaction]) -> None:
        """Listen on a free port of 127.0.0.1."""
        self.requests: list[Request] = []
        self.connections = 0
        self._react = react
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of whoever stalls, and stop."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def react(self, request: Request) -> Reaction:
        """Note a request and say how to react to it."""
        self.requests.append(request)
        return self._react(request)

    def stall(self) -> None:
        """Wait until the server ends."""
        self._over.wait(LONGEST_STALL_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, loopback: Loopback, *args: Any) -> None:
        self._loopback = loopback
        loopback.connections += 1
        super().__init__(*args)

    def do_POST(self) -> None:
        request = Request(
            operation=self.headers.get("X-Amz-Target", self.path).rpartition(".")[2],
            method=self.command,
            headers=dict(self.headers.items()),
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        match self._loopback.react(request):
            case Reply() as reply:
                self._answer(_encoded(reply))
            case Bytes() as reply:
                self._answer(reply)
            case Stall():
                self._loopback.stall()
                self.close_connection = True
            case HangUp():
                self.close_connection = True

    do_GET = do_POST
    do_PUT = do_POST
    do_DELETE = do_POST

    def _answer(self, reply: Bytes) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            # As RFC 9112 (9.6) has a server do: unannounced, the client may use it once more.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body[: reply.sent])
        self.close_connection = self.close_connection or reply.sent is not None

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def in_turn(*reactions: Reaction) -> Callable[[Request], Reaction]:
    """React to the first request with the first reaction and so on; the last one repeats."""
    left = list(reactions)

    def react(_: Request) -> Reaction:
        return left.pop(0) if len(left) > 1 else left[0]

    return react


def _encoded(reply: Reply) -> Bytes:
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    content = dict(reply.body)
    if reply.error is not None:
        headers["X-Amzn-ErrorType"] = content["__type"] = reply.error
    return Bytes(json.dumps(content).encode(), headers, reply.status)
