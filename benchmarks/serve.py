"""The whole handler behind a plain HTTP server, in a process of its own.

``python -m benchmarks.serve [STUB_URL]`` prints its port and serves until its standard input
ends: with AWS where a stub's address is given, else with storage in memory. Connections are
threads; the handler takes one request at a time, as an environment of Lambda does.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import app as ours
from benchmarks import decision, with_aws
from benchmarks.people import checkout_event, read_people
from chalicelib.aws.clients import Clients

CUSTOMERS = 200
_one_at_a_time = threading.Lock()


class Gateway(BaseHTTPRequestHandler):
    """Turns a request into API Gateway's event, and the answer back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Hand a request to the handler."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = {**_EVENT, "body": body.decode()}
        with _one_at_a_time:
            answer: Mapping[str, Any] = ours.app(event, None)
        content = answer["body"].encode()
        head = f"HTTP/1.1 {answer['statusCode']} OK\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


_EVENT = checkout_event("c-1", session_id="s-1")


class Server(ThreadingHTTPServer):
    """Takes fifty connections at once without turning one away."""

    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    """Install the parts and serve."""
    people = read_people(CUSTOMERS)
    if sys.argv[1:]:
        with_aws.install(people, Clients(endpoint_url=sys.argv[1]))
    else:
        decision.install(people)
    warm = json.loads(ours.app(_EVENT, None)["body"])
    if warm["degraded"]:
        raise SystemExit("the handler serves degraded answers")
    server = Server(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
