"""What a call to AWS costs beyond what moto sees of it: the HTTP client and the socket.

moto answers in place of botocore's HTTP session, so that session is what is measured, against a
server on this machine that always says the same. TLS is not in it.
"""

from __future__ import annotations

import statistics
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

CALLS = 300
WARM_CALLS = 20
BODY = b'{"Responses": {}}'


class _Says(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def sending_cpu_ms() -> float:
    """CPU milliseconds of one POST of 1 KB over a connection that stays open, the median."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Says)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        session = URLLib3Session()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        request = AWSRequest(method="POST", url=url, data=b"x" * 1024).prepare()
        spent = []
        for _ in range(CALLS + WARM_CALLS):
            begun = time.thread_time_ns()
            session.send(request)
            spent.append(time.thread_time_ns() - begun)
        session.close()
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
    return statistics.median(spent[WARM_CALLS:]) / 1e6
