"""Segue's table of contents: every route and every event, each with the flow that handles it."""

from __future__ import annotations

import gc

gc.disable()  # nothing of what is imported is garbage; looking for it is a tenth of a cold start

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalice.app import (
    AuthRequest,
    AuthResponse,
    Chalice,
    CloudWatchEvent,
    DynamoDBEvent,
    Rate,
    Request,
    Response,
    SQSEvent,
)

from chalicelib import clock, wiring
from chalicelib.api import boundary, routes
from chalicelib.api.routes_console import console
from chalicelib.late import late

if TYPE_CHECKING:
    from chalicelib.api import routes_offers, routes_policies, routes_privacy, routes_records
    from chalicelib.flows import (
        act,
        big,
        chronicle,
        drop_queue,
        feedback,
        relay,
        silence,
        sweep,
    )
else:  # what a checkout does not need, its cold start does not load
    routes_offers, routes_policies, routes_privacy, routes_records = late(
        "chalicelib.api", "routes_offers", "routes_policies", "routes_privacy", "routes_records"
    )
    act, big, chronicle, drop_queue = late(
        "chalicelib.flows", "act", "big", "chronicle", "drop_queue"
    )
    feedback, relay, silence, sweep = late(
        "chalicelib.flows", "feedback", "relay", "silence", "sweep"
    )

gc.freeze()  # nor does it become any: no later look goes through it
gc.enable()

app = Chalice(app_name="segue", configure_logs=False)
app.api.binary_types = []  # every answer is text, and Chalice looks through the list each time


@app.middleware("http")
def every_request(
    request: Request | None, get_response: Callable[[Request | None], Response]
) -> Response:
    """Pass every HTTP request: correlation id, scope, problem documents, one log line."""
    return boundary.guard(request, get_response, routes=app.routes, new_id=wiring.new_id)


@app.authorizer(ttl_seconds=60)
def bearer(request: AuthRequest) -> AuthResponse:
    """Say who is calling; the scope is checked at the route."""
    return routes.authorize(request, wiring.edge)


# --- checkout -----------------------------------------------------------------------------------


@app.route("/v1/decisions", methods=["POST"], authorizer=bearer)
def create_decision() -> Response:
    """Decide for a checkout."""
    return routes.create_decision(app.current_request, wiring.edge)


@app.route("/v1/quotes/verify", methods=["POST"], authorizer=bearer)
def verify_quote() -> Response:
    """Say whether a price is still good."""
    return routes.verify_quote(app.current_request, wiring.edge)


@app.route("/v1/offers/{code}/reserve", methods=["POST"], authorizer=bearer)
def reserve_offer(code: str) -> Response:
    """Lock a code for a cart."""
    return routes_offers.reserve_offer(app.current_request, wiring.edge, code)


@app.route("/v1/offers/{code}/redeem", methods=["POST"], authorizer=bearer)
def redeem_offer(code: str) -> Response:
    """Use a code for an order."""
    return routes_offers.redeem_offer(app.current_request, wiring.edge, code)


@app.route("/v1/offers/{code}/release", methods=["POST"], authorizer=bearer)
def release_offer(code: str) -> Response:
    """Give a locked code free."""
    return routes_offers.release_offer(app.current_request, wiring.edge, code)


@app.route("/v1/offers/{code}/revoke", methods=["POST"], authorizer=bearer)
def revoke_offer(code: str) -> Response:
    """Take a code back for good."""
    return routes_offers.revoke_offer(app.current_request, wiring.edge, code)


# --- what happened in the shop ------------------------------------------------------------------


@app.route("/v1/events", methods=["POST"], authorizer=bearer)
def accept_events() -> Response:
    """Fold Segment-spec messages."""
    return routes.accept_events(app.current_request, wiring.edge)


# --- looking things up --------------------------------------------------------------------------


@app.route("/v1/decisions/{decision_id}", methods=["GET"], authorizer=bearer)
def get_decision(decision_id: str) -> Response:
    """Show the whole record of a decision."""
    return routes_records.get_decision(app.current_request, wiring.edge, decision_id)


@app.route("/v1/decisions/{decision_id}/replay", methods=["POST"], authorizer=bearer)
def replay_decision(decision_id: str) -> Response:
    """Decide a record again and compare."""
    return routes_records.replay_decision(app.current_request, wiring.edge, decision_id)


@app.route("/v1/decisions/{decision_id}/review", methods=["POST"], authorizer=bearer)
def request_review(decision_id: str) -> Response:
    """Note that a person shall look at a decision."""
    return routes_records.request_review(app.current_request, wiring.edge, decision_id)


@app.route("/v1/customers/{customer_id}", methods=["GET"], authorizer=bearer)
def get_customer(customer_id: str) -> Response:
    """Show what is known of a customer."""
    return routes.get_customer(app.current_request, wiring.edge, customer_id)


# --- privacy and control ------------------------------------------------------------------------


@app.route("/v1/customers/{customer_id}/consent", methods=["PUT"], authorizer=bearer)
def put_consent(customer_id: str) -> Response:
    """Write down what a customer said of a purpose, with its proof."""
    return routes_privacy.put_consent(app.current_request, wiring.edge, customer_id)


@app.route("/v1/customers/{customer_id}/export", methods=["GET"], authorizer=bearer)
def export_customer(customer_id: str) -> Response:
    """Give everything that is stored of a customer."""
    return routes_privacy.export_customer(app.current_request, wiring.edge, customer_id)


@app.route("/v1/customers/{customer_id}", methods=["DELETE"], authorizer=bearer)
def erase_customer(customer_id: str) -> Response:
    """Forget a customer for good."""
    return routes_privacy.erase_customer(app.current_request, wiring.edge, customer_id)


@app.route("/v1/control", methods=["GET"], authorizer=bearer)
def get_control() -> Response:
    """Show how the kill switches stand."""
    return routes_privacy.get_control(app.current_request, wiring.edge)


@app.route("/v1/control", methods=["PUT"], authorizer=bearer)
def put_control() -> Response:
    """Flip the kill switches."""
    return routes_privacy.put_control(app.current_request, wiring.edge)


# --- policies -----------------------------------------------------------------------------------


@app.route("/v1/policies", methods=["GET"], authorizer=bearer)
def list_policies() -> Response:
    """List policies and which of them decided when."""
    return routes_policies.list_policies(app.current_request, wiring.edge)


@app.route("/v1/policies", methods=["POST"], authorizer=bearer)
def store_policy() -> Response:
    """Validate and keep a policy."""
    return routes_policies.store_policy(app.current_request, wiring.edge)


@app.route("/v1/policies/{policy_hash}", methods=["GET"], authorizer=bearer)
def get_policy(policy_hash: str) -> Response:
    """Show a stored policy with its simulations."""
    return routes_policies.get_policy(app.current_request, wiring.edge, policy_hash)


@app.route("/v1/policies/{policy_hash}/simulations", methods=["POST"], authorizer=bearer)
def add_simulation(policy_hash: str) -> Response:
    """Write down that a policy was simulated."""
    return routes_policies.add_simulation(app.current_request, wiring.edge, policy_hash)


@app.route("/v1/policies/{policy_hash}/activate", methods=["POST"], authorizer=bearer)
def activate_policy(policy_hash: str) -> Response:
    """Let a policy decide, or go back to one that did."""
    return routes_policies.activate_policy(app.current_request, wiring.edge, policy_hash)


# --- mails and files ----------------------------------------------------------------------------


@app.route("/v1/messages", methods=["GET"], authorizer=bearer)
def list_messages() -> Response:
    """List mails by state: who was not sent, and why."""
    return routes.list_messages(app.current_request, wiring.edge)


@app.route("/v1/drops/{drop_id}", methods=["GET"], authorizer=bearer)
def get_drop(drop_id: str) -> Response:
    """Show how far a dropped file is."""
    return routes.get_drop(app.current_request, wiring.edge, drop_id)


# --- open to everyone ---------------------------------------------------------------------------


@app.route("/u/{token}", methods=["GET"], content_types=["*/*"])
def show_unsubscribe(token: str) -> Response:
    """Ask whether to unsubscribe; changes nothing."""
    return routes.show_unsubscribe(app.current_request, wiring.edge, token)


@app.route("/u/{token}", methods=["POST"], content_types=["*/*"])
def unsubscribe_now(token: str) -> Response:
    """Unsubscribe; mail programs post forms of either kind (RFC 8058)."""
    return routes.unsubscribe_now(app.current_request, wiring.edge, token)


@app.route("/v1/health", methods=["GET"])
def get_health() -> Response:
    """Say which versions run here."""
    return routes.get_health(app.current_request, wiring.edge)


@app.route("/v1/openapi.json", methods=["GET"])
def get_openapi() -> Response:
    """Describe the interface."""
    return routes.get_openapi(app.current_request, wiring.edge, app.routes)


# --- the operator's console, which has a cookie of its own ---------------------------------------


@app.route("/console", methods=["GET"], content_types=["*/*"])
def console_overview() -> Response:
    """How everything stands and moves: switches, breaker, budgets, segments."""
    return console("overview", app.current_request, wiring.edge)


@app.route("/console/activity", methods=["GET"], content_types=["*/*"])
def console_activity() -> Response:
    """What happened within the last hour, for the overview to look again."""
    return console("activity", app.current_request, wiring.edge)


@app.route("/console/static/{name}", methods=["GET"], content_types=["*/*"])
def console_static(name: str) -> Response:
    """The stylesheet and the script, for as long as a browser likes."""
    return console("static", app.current_request, wiring.edge, name)


@app.route("/console/sign-in", methods=["GET"], content_types=["*/*"])
def console_sign_in_form() -> Response:
    """Ask for an operator's key."""
    return console("sign-in", app.current_request, wiring.edge)


@app.route("/console/sign-in", methods=["POST"], content_types=["*/*"])
def console_sign_in() -> Response:
    """Open a session."""
    return console("enter", app.current_request, wiring.edge)


@app.route("/console/sign-out", methods=["POST"], content_types=["*/*"])
def console_sign_out() -> Response:
    """End a session."""
    return console("leave", app.current_request, wiring.edge)


@app.route("/console/switches/{name}", methods=["GET"], content_types=["*/*"])
def console_switch(name: str) -> Response:
    """Say what turning a kill switch would do."""
    return console("switch", app.current_request, wiring.edge, name)


@app.route("/console/switches/{name}", methods=["POST"], content_types=["*/*"])
def console_turn_switch(name: str) -> Response:
    """Turn a kill switch."""
    return console("turn", app.current_request, wiring.edge, name)


@app.route("/console/customers", methods=["GET"], content_types=["*/*"])
def console_customers() -> Response:
    """Ask whom to look up."""
    return console("customers", app.current_request, wiring.edge)


@app.route("/console/customers", methods=["POST"], content_types=["*/*"])
def console_find_customer() -> Response:
    """Look somebody up by id or address."""
    return console("find", app.current_request, wiring.edge)


@app.route("/console/customers/{customer_id}", methods=["GET"], content_types=["*/*"])
def console_customer(customer_id: str) -> Response:
    """Show a customer."""
    return console("customer", app.current_request, wiring.edge, customer_id)


@app.route("/console/customers/{customer_id}/export", methods=["GET"], content_types=["*/*"])
def console_export(customer_id: str) -> Response:
    """Save everything that is stored of a customer."""
    return console("export", app.current_request, wiring.edge, customer_id)


@app.route("/console/customers/{customer_id}/erase", methods=["GET"], content_types=["*/*"])
def console_ask_erase(customer_id: str) -> Response:
    """Say what erasing a customer would do."""
    return console("ask-erase", app.current_request, wiring.edge, customer_id)


@app.route("/console/customers/{customer_id}/erase", methods=["POST"], content_types=["*/*"])
def console_erase(customer_id: str) -> Response:
    """Erase a customer."""
    return console("erase", app.current_request, wiring.edge, customer_id)


@app.route("/console/decisions/{decision_id}", methods=["GET"], content_types=["*/*"])
def console_decision(decision_id: str) -> Response:
    """Show why this price, why this offer."""
    return console("decision", app.current_request, wiring.edge, decision_id)


@app.route("/console/decisions/{decision_id}/replay", methods=["POST"], content_types=["*/*"])
def console_replay(decision_id: str) -> Response:
    """Decide a record again and compare."""
    return console("replay", app.current_request, wiring.edge, decision_id)


@app.route("/console/messages", methods=["GET"], content_types=["*/*"])
def console_messages() -> Response:
    """Show mails by state."""
    return console("messages", app.current_request, wiring.edge)


@app.route("/console/drops", methods=["GET"], content_types=["*/*"])
def console_drops() -> Response:
    """Ask which drop to look at."""
    return console("drops", app.current_request, wiring.edge)


@app.route("/console/drops/{drop_id}", methods=["GET"], content_types=["*/*"])
def console_drop(drop_id: str) -> Response:
    """Show how far a drop is, and what was rejected."""
    return console("drop", app.current_request, wiring.edge, drop_id)


@app.route("/console/drops/{drop_id}/rejects", methods=["GET"], content_types=["*/*"])
def console_rejects(drop_id: str) -> Response:
    """Save what was rejected of a drop."""
    return console("rejects", app.current_request, wiring.edge, drop_id)


@app.route("/console/policies", methods=["GET"], content_types=["*/*"])
def console_policies() -> Response:
    """List policies."""
    return console("policies", app.current_request, wiring.edge)


@app.route("/console/policies/{policy_hash}", methods=["GET"], content_types=["*/*"])
def console_policy(policy_hash: str) -> Response:
    """Show what a policy changes."""
    return console("policy", app.current_request, wiring.edge, policy_hash)


@app.route("/console/policies/{policy_hash}/activate", methods=["POST"], content_types=["*/*"])
def console_activate(policy_hash: str) -> Response:
    """Let a policy decide."""
    return console("activate", app.current_request, wiring.edge, policy_hash)


@app.route("/console/model", methods=["GET"], content_types=["*/*"])
def console_model() -> Response:
    """Show the model."""
    return console("model", app.current_request, wiring.edge)


# --- events; queue and stream names are placeholders, the template puts its own resources there --


@app.on_dynamodb_record(stream_arn="arn:aws:dynamodb:us-east-1:000000000000:table/effects/stream/0")
def on_effects_planned(event: DynamoDBEvent) -> Any:
    """Queue every effect that was planned, and count what was said of articles."""
    return relay.from_stream(event.to_dict(), **wiring.relay_parts(), now=clock.now())


@app.on_dynamodb_record(
    stream_arn="arn:aws:dynamodb:us-east-1:000000000000:table/decisions/stream/0", batch_size=500
)
def on_decided(event: DynamoDBEvent) -> Any:
    """Write the decision log, and count decisions and planned effects."""
    return chronicle.from_stream(event.to_dict(), ports=wiring.chronicle_ports(), now=clock.now())


@app.on_sqs_message(queue="effects", batch_size=10)
def on_effect(event: SQSEvent) -> Any:
    """Perform planned effects."""
    return act.from_messages(
        event.to_dict(), ports=wiring.act_ports(), now=clock.now(), worker=wiring.new_id()
    )


@app.on_sqs_message(queue="mail-events", batch_size=10)
def on_mail_event(event: SQSEvent) -> Any:
    """Take in what became of mails."""
    return feedback.from_messages(event.to_dict(), ports=wiring.feedback_ports(), now=clock.now())


@app.on_sqs_message(queue="drops", batch_size=1)
def on_drop(event: SQSEvent) -> Any:
    """Take in files that were dropped into S3; once a night measure what decisions brought."""
    return drop_queue.from_messages(
        event.to_dict(), take_files=wiring.take_files, night=wiring.night_parts, now=clock.now()
    )


@app.lambda_function(name="work_part")
def work_part(event: dict[str, Any], context: object) -> Any:
    """Work on one part of a file that is too big for one function."""
    return big.work(event, **wiring.big_parts(), now=clock.now())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_review_due(event: CloudWatchEvent) -> Any:
    """Look after those for whom silence alone has changed something."""
    return silence.review_due(
        **wiring.review_parts(), now=clock.now(), correlation_id=event.event_id
    )


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_sweep(event: CloudWatchEvent) -> Any:
    """Put back on its way whatever stands still."""
    return sweep.sweep(ports=wiring.sweep_ports(), now=clock.now(), correlation_id=event.event_id)
