"""Reading the stand-in from another process, or from a part of this one that knows only its URL."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from ops.ses.admin import PREFIX


def ask(url: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """One admin request, a POST when it has a body; raises URLError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{PREFIX}/{path}", data=data)  # noqa: S310 (127.0.0.1)
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 (127.0.0.1)
        answer: Mapping[str, Any] = json.load(response)
    return answer


def delivered_mails(url: str, *, after: int = 0) -> list[bytes]:
    """The MIME source of every mail but the first ``after``, as delivered, oldest first."""
    return [base64.b64decode(each["delivered"]) for each in ask(url, f"mails/{after}")["mails"]]
