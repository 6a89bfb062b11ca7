"""The console's routes: what answers them is loaded with the first page, never with a checkout."""

from __future__ import annotations

from chalice.app import Request

from chalicelib.api.boundary import Answer
from chalicelib.api.edge import GetEdge


def console(page: str, request: Request | None, get_edge: GetEdge, *ids: str) -> Answer:
    """Answer a request for a page of the console, or for what one of its forms asks.

    Args:
        page: its name in ``console.table``.
        request: as it came.
        get_edge: gives what pages are made from.
        ids: what stands in the path, percent-encoded.
    """
    # Imported here: a checkout never needs it, and its cold start does not pay for it.
    from chalicelib.api.console.table import answer  # noqa: PLC0415

    return answer(page, request, get_edge, ids)
