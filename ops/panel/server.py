"""The panel's HTTP face, on 127.0.0.1 alone, in threads that end with their block."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ops.panel.proxy import Reply
from ops.panel.site import Asked

HOST = "127.0.0.1"
# As much as an answer of the API may hold; a form of the console is far smaller.
LARGEST_BODY_BYTES = 6_000_000
QUIET_SECONDS = 30.0

Answer = Callable[[Asked], Reply]


@contextmanager
def listening(make_answer: Callable[[int], Answer], *, port: int = 0) -> Iterator[str]:
    """Listen for the length of a block, on a free port unless one is given; yields the URL.

    ``make_answer`` is told the port. Raises OSError for a port that is taken.
    """
    handler: dict[str, Answer] = {}
    server = _Listener(
        (HOST, port), functools.partial(_Handler, lambda asked: handler["answer"](asked))
    )
    handler["answer"] = make_answer(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="panel", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hung up is no news here; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = QUIET_SECONDS

    def __init__(self, answer: Answer, *args: Any) -> None:
        self._answer = answer
        super().__init__(*args)

    def do_GET(self) -> None:
        said = self.headers.get("Content-Length") or "0"
        if not said.isdecimal() or int(said) > LARGEST_BODY_BYTES:
            self.close_connection = True
            self._tell(Reply(413, [("Connection", "close")], b""))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(said))
        self._tell(self._answer(Asked(self.command, self.path, headers, body)))

    do_POST = do_GET

    def _tell(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""
