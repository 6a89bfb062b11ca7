"""The last boundary of a function that no HTTP request calls: an unexpected error loses its words.

Lambda logs the text and the traceback of whatever leaves a function. The texts of our own errors
hold no data; another's may quote a row, a name, an address. So another's is told by class and
place, and Lambda sees that something broke.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from chalicelib.core.errors import Broken, SegueError
from chalicelib.telemetry import log_event

P = ParamSpec("P")
R = TypeVar("R")


def wordless(flow: Callable[P, R]) -> Callable[P, R]:
    """Let nothing but our own errors out of a flow; another's becomes Broken without its text."""

    @wraps(flow)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return flow(*args, **kwargs)
        except SegueError:
            raise
        except Exception as error:
            log_event("flow_broke", error=type(error).__name__, traceback=places(error))
            raise Broken(f"unexpected {type(error).__name__}") from None

    return guarded


def places(error: Exception) -> list[str]:
    """Where it happened, without a word of what the data was."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
