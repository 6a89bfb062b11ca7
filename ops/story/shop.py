"""The shop's side of the API: plain HTTP with a bearer key, as a checkout would call it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

TIMEOUT_SECONDS = 30
# A shop asks again when the other side has trouble; everything it sends may safely come twice.
ATTEMPTS = 3
PAUSE_SECONDS = 0.5


class ShopRefused(Exception):
    """The API did not answer as the story needs: which call, which status, which problem."""


class NobodyAnswers(ShopRefused):
    """No answer came at all, or none in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: status, body (decoded where it is JSON) and how long it took."""

    status: int
    body: Any
    seconds: float


class Shop:
    """Calls one deployment with one key."""

    def __init__(self, public_url: str, *, key: str | None) -> None:
        """Take the base URL with its stage, and the key; None calls without one."""
        self.public_url = public_url.rstrip("/")
        self._key = key

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one call on a connection of its own; raises NobodyAnswers.

        A dict or list is sent as JSON, bytes as they are, with the content type from ``headers``.
        """
        url = urlsplit(self.public_url + path)
        connect = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = connect(url.netloc, timeout=TIMEOUT_SECONDS)
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        begun = time.monotonic()
        try:
            target = url.path + (f"?{url.query}" if url.query else "")
            connection.request(method, target, payload, {**self._headers(), **(headers or {})})
            response = connection.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            raise NobodyAnswers(f"{method} {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        return Answer(response.status, _decoded(text), time.monotonic() - begun)

    def decide(self, request: Mapping[str, Any]) -> Answer:
        """Ask for a decision; raises ShopRefused unless the answer is 200."""
        return self._expect(200, self._insist("POST", "/v1/decisions", body=request), "decisions")

    def send(self, messages: Sequence[Mapping[str, Any]]) -> Answer:
        """Send events in one batch; raises ShopRefused unless the answer is 202."""
        body = {"batch": list(messages)}
        return self._expect(202, self._insist("POST", "/v1/events", body=body), "events")

    def drop(self, drop_id: str) -> Mapping[str, Any] | None:
        """How far a dropped file is; None while nobody has begun to read it."""
        answer = self._insist("GET", f"/v1/drops/{drop_id}")
        if answer.status == 404:
            return None
        progress: Mapping[str, Any] = self._expect(200, answer, "drops").body
        return progress

    def customer(self, customer_id: str) -> Mapping[str, Any] | None:
        """What is known of a customer; None while nobody has spoken of them."""
        answer = self._insist("GET", f"/v1/customers/{quote(customer_id, safe='')}")
        if answer.status == 404:
            return None
        known: Mapping[str, Any] = self._expect(200, answer, "customers").body
        return known

    def as_curl(self, request: Mapping[str, Any]) -> str:
        """The same call as a command line that a person can paste."""
        return (
            f"curl -s {shlex.quote(self.public_url + '/v1/decisions')} \\\n"
            f"  -H {shlex.quote(f'Authorization: Bearer {self._key}')} \\\n"
            f"  -H 'Content-Type: application/json' \\\n"
            f"  -d {shlex.quote(json.dumps(request))}"
        )

    def _insist(self, method: str, path: str, *, body: object = None) -> Answer:
        for _ in range(ATTEMPTS - 1):
            with suppress(NobodyAnswers):
                answer = self.call(method, path, body=body)
                if answer.status < 500:
                    return answer
            time.sleep(PAUSE_SECONDS)
        return self.call(method, path, body=body)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    @staticmethod
    def _expect(status: int, answer: Answer, what: str) -> Answer:
        if answer.status != status:
            raise ShopRefused(f"{what}: expected {status}, got {answer.status}: {answer.body}")
        return answer


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")
