"""SES's HTTP face on 127.0.0.1: rest-json answers, and connections that break as the script says.

It lives in a thread of the process that starts it and ends with its block, so it can neither be
reached from elsewhere nor be left behind.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ops.ses import operations
from ops.ses.admin import PREFIX, Misused, administer
from ops.ses.errors import SesError, bad_request
from ops.ses.mails import addresses_in
from ops.ses.script import Close, Fail, Fault, Hang
from ops.ses.stand_in import Post, SesStandIn

HOST = "127.0.0.1"
SEND_PATH = "/v2/email/outbound-emails"
LONGEST_HANG_SECONDS = 120.0


class SesServer:
    """Serves one stand-in.

    Attributes:
        stand_in: what it serves.
        connections: how many connections there were.
    """

    def __init__(self, stand_in: SesStandIn, *, port: int = 0) -> None:
        """Listen on 127.0.0.1, on a free port unless one is given."""
        self.stand_in = stand_in
        self.connections = 0
        self.over = threading.Event()
        self._server = _Listener((HOST, port), functools.partial(_Handler, self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="ses", daemon=True
        )

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL_SESV2 must be."""
        return f"http://{HOST}:{self._server.server_port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of whoever hangs, publish what was let go, and end."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.stand_in.publisher.close()


@contextmanager
def serving(stand_in: SesStandIn | None = None, *, port: int = 0) -> Iterator[SesServer]:
    """Serve a stand-in for the length of a block; raises OSError for a port that is taken."""
    server = SesServer(stand_in or SesStandIn(), port=port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news here; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: SesServer, *args: Any) -> None:
        self._ses = server
        server.connections += 1
        super().__init__(*args)

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = _decoded(raw)
            if path.startswith(PREFIX):
                self._answer(200, administer(self._ses.stand_in, self.command, path, body))
            elif (self.command, path) == ("POST", SEND_PATH):
                self._send(body)
            else:
                self._answer(200, operations.call(self._ses.stand_in, self.command, path, body))
        except Misused as error:
            self._answer(400, {"message": str(error)})
        except SesError as error:
            self._refuse(error.code, error.status, error.message)

    do_GET = do_POST
    do_PUT = do_POST
    do_DELETE = do_POST

    def _send(self, body: Mapping[str, Any]) -> None:
        stand_in = self._ses.stand_in
        recipients = _recipients(body)
        step = stand_in.script.take(recipients)
        if step.fault is not None and not step.after_accepting:
            stand_in.note(Post(tuple(recipients), _tags(body)))
            self._fail(step.fault)
            return
        mail = stand_in.send(body)
        if step.fault is not None:
            self._fail(step.fault)
            return
        self._answer(200, {"MessageId": mail.message_id})

    def _fail(self, fault: Fault) -> None:
        match fault:
            case Hang():
                self._ses.over.wait(LONGEST_HANG_SECONDS)
                self.close_connection = True
            case Close():
                self.close_connection = True
            case Fail(code, status, message):
                self._refuse(code, status, message)

    def _refuse(self, code: str, status: int, message: str) -> None:
        self._answer(status, {"message": message}, error=code)

    def _answer(self, status: int, body: Mapping[str, Any], *, error: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if error is not None:
            self.send_header("x-amzn-ErrorType", error)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            # Whoever asked for it must be told, or it takes the connection for one to use again.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def _decoded(raw: bytes) -> Mapping[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise SesError("SerializationException", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise bad_request("The body must be an object.")
    return body


def _recipients(body: Mapping[str, Any]) -> list[str]:
    destination = body.get("Destination") or {}
    return addresses_in(
        *(
            str(each)
            for kind in ("To", "Cc", "Bcc")
            for each in destination.get(f"{kind}Addresses") or []
        )
    )


def _tags(body: Mapping[str, Any]) -> dict[str, str]:
    return {str(each.get("Name")): str(each.get("Value")) for each in body.get("EmailTags") or []}
