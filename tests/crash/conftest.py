"""What the harness does to a process, undone after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import telemetry


@pytest.fixture(autouse=True)
def telemetry_as_before() -> Iterator[None]:
    """Log lines go where they went before."""
    yield
    telemetry.configure(stage="unset")
