"""Simulating a policy: asked for here, worked on elsewhere, and followed."""

from __future__ import annotations

from chalicelib.api.console.forms import number_of
from chalicelib.api.console.operator import Answered, Operator
from chalicelib.console.page import Elsewhere, Page
from chalicelib.console.simulation_page import simulation_page
from chalicelib.core.errors import NotFound, Refused
from chalicelib.core.simulation_job import Asked
from chalicelib.flows import policies, simulation_ask


def ask_for_simulation(operator: Operator, policy_hash: str) -> Answered:
    """``POST /console/policies/{policy_hash}/simulation``: write a job, send a message."""
    asked = Asked(
        days=number_of(operator.form, "days", says="must be a whole number of days"),
        most_decisions=number_of(
            operator.form, "decisions", says="must be a whole number of decisions"
        ),
    )
    edge = operator.edge
    if edge.drops_queue is None:
        raise Refused("no_queue_for_simulations")
    packaged = edge.rulebook().packaged
    shown = policies.show(store=operator.store, packaged=packaged, now=operator.now)
    simulation_ask.ask(
        policy_hash,
        asked,
        deciding=shown.log.active or packaged.policy.hash,
        resume=operator.form.get("run"),
        run_id=edge.new_id(),
        store=operator.store,
        queue=edge.drops_queue,
        now=operator.now,
        key_id=operator.named,
        correlation_id=operator.correlation_id,
    )
    return Elsewhere(operator.site.path("policies", policy_hash, "simulation"))


def show_simulation(operator: Operator, policy_hash: str) -> Page:
    """``GET /console/policies/{policy_hash}/simulation``: how far it is, and what it showed."""
    store, now = operator.store, operator.now
    stored = policies.find_policy(policy_hash, store=store, now=now)
    job = simulation_ask.find_job(policy_hash, store=store, now=now)
    if job is None:
        raise NotFound.of("simulation", "was not asked for here yet; the policy's page begins one")
    return simulation_page(policy_hash, stored, job, now=now)
