"""A simulation on its way: how far it is, and in the end what it showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.console.page import Page
from chalicelib.console.render import short
from chalicelib.console.simulation_figures import tell
from chalicelib.core.policy_life import Simulation, StoredPolicy
from chalicelib.core.simulation_job import Job, State

# What each state means, and what to do.
WORDS: Mapping[State, str] = {
    "QUEUED": "It waits in the queue of files; one file or one night may be before it.",
    "RUNNING": "Decisions are decided again by both policies.",
    "DONE": "It is written down with the policy, so a second key may activate that.",
    "OVERTAKEN": "Something else decides by now than when it was asked for, so its figures would "
    "compare with nothing. Simulate once more.",
    "GONE": "The policy that it was to try is not stored any more, or cannot be read.",
    "FAILED": "It came to no result.",
}


def simulation_page(policy_hash: str, stored: StoredPolicy, job: Job, *, now: int) -> Page:
    """The page of a policy's latest simulation that was asked for here."""
    total = job.total
    result = _result(stored, job)
    return Page(
        "simulation",
        f"Simulation of {stored.document.get('name', 'unnamed')} {short(policy_hash)}",
        {
            "hash": policy_hash,
            "job": job,
            "subject": job.subject,
            "words": WORDS[job.state],
            "total": total,
            "share": job.done / total if total else None,
            "per_second": job.per_second(),
            "seconds_left": job.seconds_left(),
            "is_silent": job.is_silent(now),
            "skipped": sorted(job.skipped.items()),
            "told": None if result is None else tell(result.figures),
        },
    )


def _result(stored: StoredPolicy, job: Job) -> Simulation | None:
    """What it wrote down; None where it has not, or where twenty others came since."""
    if job.state != "DONE":
        return None
    theirs = (each for each in stored.simulations if each.figures.get("run_id") == job.run_id)
    return next(theirs, None)


def latest_of(simulations: tuple[Simulation, ...]) -> Mapping[str, Any] | None:
    """The last simulation of a policy as charts and rows, and the ones before in a line each."""
    if not simulations:
        return None
    last = simulations[-1]
    return {
        "at": last.at,
        "key_id": last.key_id,
        "subject": last.subject,
        "told": tell(last.figures),
        "before": [
            (each.at, each.key_id, each.subject, tell(each.figures))
            for each in reversed(simulations[:-1])
        ],
    }
