"""Policies and the model: what there is, what differs, and letting another policy decide."""

from __future__ import annotations

from chalicelib.api.console.forms import field_of
from chalicelib.api.console.operator import Answered, Operator
from chalicelib.api.schemas import LARGEST_BODY_BYTES
from chalicelib.console.model_page import model_page, no_model_page
from chalicelib.console.page import Elsewhere, Page
from chalicelib.console.policy_page import Policy, policies_page, policy_page
from chalicelib.core.errors import BadInput, NotFound
from chalicelib.core.policy_text import document_of
from chalicelib.core.report import health_of
from chalicelib.core.watched import PAST_DAYS
from chalicelib.flows import policies, simulation_ask
from chalicelib.flows.measured_days import read_days
from chalicelib.scoring.baselines import baselines_of
from chalicelib.scoring.document import read_document
from chalicelib.scoring.manifest import (
    DOCUMENT_FILE,
    listed_sha256,
    read_bytes,
    read_listed,
    read_manifest,
)
from chalicelib.scoring.rejections import ArtifactRejected

CARD_FILE = "MODEL_CARD.md"
# As long as the body of POST /v1/policies may be; a form may need three bytes for one.
LARGEST_UPLOAD_BYTES = 3 * LARGEST_BODY_BYTES


def list_policies(operator: Operator) -> Page:
    """``GET /console/policies``."""
    return policies_page(_shown(operator))


def store_policy(operator: Operator) -> Answered:
    """``POST /console/policies``: what is wrong is named field by field, and nothing is stored."""
    form = operator.form
    # A browser sends a file field whether or not one was chosen.
    text = form.get("file", "") or form.get("document", "")
    try:
        stored = policies.store_policy(
            document_of(_checked(text)),
            store=operator.store,
            rules=operator.edge.rulebook().packaged,
            now=operator.now,
            key_id=operator.named,
            correlation_id=operator.correlation_id,
        )
    except BadInput as error:
        return policies_page(_shown(operator), typed=text, wrong=error.errors)
    return Elsewhere(operator.site.path("policies", stored.hash))


def _checked(text: str) -> str:
    """A text that is there, and no longer than the interface takes; raises BadInput."""
    if not text.strip():
        raise BadInput.of("policy", "is missing: choose a file or paste the document")
    size = len(text.encode())
    if size > LARGEST_BODY_BYTES:
        raise BadInput.of("policy", f"must be at most {LARGEST_BODY_BYTES:,} bytes, not {size:,}")
    return text


def show_policy(operator: Operator, policy_hash: str) -> Page:
    """``GET /console/policies/{policy_hash}``: what it changes against another, and its life."""
    shown = _shown(operator)
    against = operator.query("against") or _deciding(shown)
    return _page(operator, shown, policy_hash, against)


def activate_policy(operator: Operator, policy_hash: str) -> Answered:
    """``POST /console/policies/{policy_hash}/activate``, in place of the one that was shown."""
    seen = field_of(operator.form, "in_place_of", says="must name the policy that decided")
    try:
        policies.activate_policy(
            policy_hash,
            store=operator.store,
            packaged=operator.edge.rulebook().packaged,
            now=operator.now,
            key_id=operator.named,
            correlation_id=operator.correlation_id,
            in_place_of=seen,
        )
    except policies.ActiveMoved as moved:
        return _page(operator, _shown(operator), policy_hash, moved.deciding, moved_from=seen)
    return Elsewhere(operator.site.path("policies"))


def show_model(operator: Operator) -> Page:
    """``GET /console/model``: the packaged model that serves, as its document describes it."""
    directory = operator.edge.model_directory()
    try:
        manifest = read_manifest(directory)
        document = read_document(
            read_bytes(directory / DOCUMENT_FILE),
            expected_sha256=listed_sha256(manifest, DOCUMENT_FILE),
        )
        card = read_listed(directory, manifest, CARD_FILE).decode()
    except ArtifactRejected as rejection:
        return no_model_page(type(rejection).__name__)
    baselines = baselines_of(document)
    days = read_days(
        operator.store,
        days=PAST_DAYS + 1,
        now=operator.now,
        horizon_days=baselines.horizon_days,
        with_measured=False,
    )
    health = health_of(
        days,
        baselines=baselines,
        fresh_within_hours=operator.edge.fresh_within_hours,
        now=operator.now,
    )
    return model_page(document, card=card, rejected=operator.edge.rejected(), health=health)


def _shown(operator: Operator) -> policies.Shown:
    packaged = operator.edge.rulebook().packaged
    return policies.show(store=operator.store, packaged=packaged, now=operator.now)


def _deciding(shown: policies.Shown) -> str:
    return shown.log.active or shown.packaged.hash


def _page(
    operator: Operator,
    shown: policies.Shown,
    policy_hash: str,
    against: str,
    *,
    moved_from: str | None = None,
) -> Page:
    deciding = _deciding(shown)
    moved = (
        None
        if moved_from is None
        else (
            _policy(operator, shown, moved_from),
            _policy(operator, shown, deciding),
        )
    )
    return policy_page(
        _policy(operator, shown, policy_hash),
        against=_policy(operator, shown, against),
        shown=shown,
        key_id=operator.named,
        job=simulation_ask.find_job(policy_hash, store=operator.store, now=operator.now),
        moved=moved,
    )


def _policy(operator: Operator, shown: policies.Shown, policy_hash: str) -> Policy:
    """A policy by its hash: stored, or the one that ships; raises NotFound."""
    try:
        stored = policies.find_policy(policy_hash, store=operator.store, now=operator.now)
    except NotFound:
        if policy_hash != shown.packaged.hash:
            raise
        document = shown.packaged.model_dump(mode="json")
        return Policy(policy_hash, document, stored=None)
    return Policy(policy_hash, stored.document, stored=stored)
