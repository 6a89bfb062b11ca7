"""Asking for a simulation: a request writes a job and sends a message, and somebody else works.

The message goes to the queue of files (``flows/simulation.py``). One job stands for each policy, so
a second click finds the first one's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.core.errors import Refused, Transient
from chalicelib.core.kinds import SIMULATION
from chalicelib.core.ports import Queue, Store
from chalicelib.core.simulation_job import KEPT_SECONDS, Asked, Job, check_asked, reopened
from chalicelib.core.storage import AtVersion, Conflict, Key, Put
from chalicelib.flows.policies import find_policy
from chalicelib.telemetry import log_event

MOST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Message:
    """What the queue says: work on this run of this policy's simulation."""

    policy: str
    run_id: str

    def body(self) -> dict[str, Any]:
        """As it is sent."""
        return {"simulate": {"policy": self.policy, "run_id": self.run_id}}


def read_message(said: Any) -> Message | None:
    """A message about a simulation; None for one that is about something else."""
    match said:
        case {"simulate": {"policy": str(policy), "run_id": str(run_id)}}:
            return Message(policy, run_id)
        case _:
            return None


def job_key(policy_hash: str) -> Key[Job]:
    """Where the job of a policy stands."""
    return SIMULATION.key(policy_hash)


def find_job(policy_hash: str, *, store: Store, now: int) -> Job | None:
    """The latest simulation of a policy that was asked for here; None where there is none."""
    key = job_key(policy_hash)
    return store.read([key], now=now).value(key)


def ask(
    policy_hash: str,
    asked: Asked,
    *,
    deciding: str,
    resume: str | None = None,
    run_id: str,
    store: Store,
    queue: Queue,
    now: int,
    key_id: str,
    correlation_id: str,
) -> Job:
    """Let a policy be simulated; a run that is on its way is put on its way again.

    A second click therefore begins nothing anew, and brings on what stands still.

    Args:
        policy_hash: the policy to try.
        asked: on which decisions.
        deciding: the hash of the policy that decides now.
        resume: the run that shall go on where it failed; None begins a new one.
        run_id: names a new run.
        store: where the job stands.
        queue: the queue of files.
        now: the moment.
        key_id: who asks.
        correlation_id: of the request.

    Raises:
        BadInput: naming what is out of bounds.
        NotFound: nothing is stored under this hash.
        Refused: ``decides_already``.
        Transient: the job stands, and its message may be missing; asking again sends it.
    """
    check_asked(asked)
    find_policy(policy_hash, store=store, now=now)
    if policy_hash == deciding:
        raise Refused("decides_already")
    key = job_key(policy_hash)
    for _ in range(MOST_ROUNDS):
        found = store.read([key], now=now)
        known = found.value(key)
        job = _to_do(known, resume, Job(run_id, key_id, asked, deciding, now, now), now=now)
        if job != known:
            try:
                save_job(key, job, found.version(key), store, now)
            except Conflict:
                continue
        queue.send([Message(policy_hash, job.run_id).body()])
        log_event(
            "simulation_asked", policy=policy_hash, key_id=key_id, correlation_id=correlation_id
        )
        return job
    raise Transient("others keep writing this simulation")


def _to_do(known: Job | None, resume: str | None, fresh: Job, *, now: int) -> Job:
    if known is None:
        return fresh
    if known.is_open:
        return known
    if known.state == "FAILED" and known.run_id == resume:
        return reopened(known, now=now)
    return fresh


def save_job(key: Key[Job], job: Job, version: int, store: Store, now: int) -> None:
    """Save a job under the version that was read; raises Conflict."""
    store.write([Put(key, job, AtVersion(version), now + KEPT_SECONDS)], now=now)
