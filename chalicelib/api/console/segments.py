"""Segments: all of them, and one."""

from __future__ import annotations

from chalicelib.api.console.operator import Operator
from chalicelib.console.page import Page
from chalicelib.console.segment_page import segment_page
from chalicelib.console.segments_page import ordered, segments_page
from chalicelib.core.errors import BadInput, NotFound
from chalicelib.flows.segments import Days, latest_of, view_segments
from chalicelib.scoring.document import ModelDocument, read_document
from chalicelib.scoring.manifest import DOCUMENT_FILE, listed_sha256, read_bytes, read_manifest
from chalicelib.scoring.rejections import ArtifactRejected


def show_segments(operator: Operator) -> Page:
    """``GET /console/segments``: sizes, movements and medians of all."""
    view = view_segments(store=operator.store, days=_days(operator), now=operator.now)
    document = _document(operator)
    return segments_page(view, named=_named(operator, document), document=document)


def show_segment(operator: Operator, name: str) -> Page:
    """``GET /console/segments/{name}``; who is in it is shown to keys with the scope read."""
    view = view_segments(store=operator.store, days=_days(operator), now=operator.now)
    document = _document(operator)
    if name not in ordered(view, _named(operator, document)):
        raise NotFound.of("name", "names no segment that serves, and nobody was counted in it")
    examples = None
    if operator.may("read"):
        examples = latest_of(name, store=operator.store, now=operator.now)
    return segment_page(name, view, document=document, examples=examples)


def _named(operator: Operator, document: ModelDocument | None) -> list[str]:
    """What the model calls segments; where it was refused, what the rules in its place do."""
    described = () if document is None else document.segment_names
    return list(dict.fromkeys((*described, *operator.edge.rulebook().packaged.scorer.segments)))


def _days(operator: Operator) -> Days:
    match operator.query("days"):
        case None | "7":
            return 7
        case "28":
            return 28
    raise BadInput.of("days", "must be 7 or 28")


def _document(operator: Operator) -> ModelDocument | None:
    """The packaged model's; None where it was refused, as the page of the model says."""
    directory = operator.edge.model_directory()
    try:
        sha256 = listed_sha256(read_manifest(directory), DOCUMENT_FILE)
        return read_document(read_bytes(directory / DOCUMENT_FILE), expected_sha256=sha256)
    except ArtifactRejected:
        return None
