"""moto for a process with several threads: an AWS in memory that takes one call at a time.

moto looks after one caller. A transaction copies whole tables and puts the copies back when it is
cancelled, so what another thread wrote in between is lost, and a table that changes while it is
copied raises RuntimeError. Drops write from several threads, and ``make local`` answers checkouts
while it works through its queues, so every call waits for its turn here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.awsrequest import AWSPreparedRequest
from moto import mock_aws
from moto.core.common_types import TYPE_RESPONSE
from moto.core.models import botocore_stubber


@contextmanager
def moto_in_turns() -> Iterator[None]:
    """Answer every AWS call of this process from memory, one after the other."""
    turn = threading.RLock()
    process = botocore_stubber.process_request

    def in_turn(request: AWSPreparedRequest) -> TYPE_RESPONSE | None:
        with turn:
            return process(request)

    with mock_aws():
        botocore_stubber.process_request = in_turn  # type: ignore[method-assign]
        try:
            yield
        finally:
            botocore_stubber.process_request = process  # type: ignore[method-assign]
