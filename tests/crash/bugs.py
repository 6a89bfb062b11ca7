"""Planted bugs: what the sweep must find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.gate import Bug, honest


@contextmanager
def planted(name: str | None) -> Iterator[Bug]:
    """Plant a bug for the length of a run."""
    del name
    yield honest
