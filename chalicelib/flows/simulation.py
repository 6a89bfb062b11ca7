"""Simulations as work in the queue of files: done in portions, beside checkouts, never within one.

``on_drop`` takes the message that ``flows/simulation_ask.py`` sends, as it takes a night's. Each
portion reads records by key, decides them by both policies, and saves counts and mark together. So
a message that comes twice, or after a crash, goes on from the mark, and two workers at once count
nothing twice: the slower one's write is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.core.comparison import tallied_from_json
from chalicelib.core.errors import BadInput, Broken, NotFound, Refused, SegueError, Transient
from chalicelib.core.policy_life import Simulation
from chalicelib.core.ports import Queue, Store
from chalicelib.core.rules import Rules
from chalicelib.core.simulation_job import KEPT_SECONDS, Job, State, advanced, ended
from chalicelib.core.storage import AtVersion, Conflict, Put
from chalicelib.flows.objects import Objects
from chalicelib.flows.policies import note_simulation
from chalicelib.flows.rulebook import Rulebook
from chalicelib.flows.simulation_ask import Message, job_key, save_job
from chalicelib.flows.simulation_portion import added, read_portion
from chalicelib.flows.simulation_sample import read_sample, take_sample
from chalicelib.telemetry import log_event

# About a second's work, which is what a crash costs.
PORTION = 500
# The function itself has fifteen minutes.
TURN_SECONDS = 240
MOST_ROUNDS = 8
GIVEN_UP = (
    "was tried five times and could not be finished ({error}); mend the cause that the log names "
    "under this policy, then let it go on"
)
NOBODY = "none of these decisions could be decided again"
EXPIRED = "its sample has expired; begin it anew"
NOTHING_LOGGED = "the decision log holds no decision of these days"


@dataclass(frozen=True, slots=True)
class SimulationPorts:
    """What working on a simulation needs.

    Attributes:
        store: jobs, policies and records.
        objects: the decision log.
        bucket: its bucket.
        queue: the queue of files, for what does not fit into one turn.
        rulebook: the rules of any policy.
        clock: seconds of any origin, for how long a turn takes.
        portion: how many records are read, decided and saved at once.
        turn_seconds: then somebody else's file may come first.
    """

    store: Store
    objects: Objects
    bucket: str
    queue: Queue
    rulebook: Rulebook
    clock: Callable[[], float]
    portion: int = PORTION
    turn_seconds: int = TURN_SECONDS


class _Over(Exception):
    """The run has come to an end that is no result."""

    def __init__(self, state: State, reason: str | None = None) -> None:
        self.state, self.reason = state, reason
        super().__init__(state)


def work_on(message: Message, *, ports: SimulationPorts, now: int, is_last: bool = False) -> None:
    """Work on a run until it is done or its turn is over; what is done is not done again.

    ``is_last`` says that the message will not come again by itself: the run then ends FAILED, and
    is taken up where it stands when the message is sent back from the dead letters.

    Raises Transient where a later delivery may succeed.
    """
    run = _Run(message, ports, now, ports.clock())
    try:
        run.work()
    except Exception as error:
        if is_last:
            run.end("FAILED", GIVEN_UP.format(error=type(error).__name__))
        raise


@dataclass(slots=True)
class _Run:
    """One turn of a worker."""

    message: Message
    ports: SimulationPorts
    began: int
    clock_began: float

    @property
    def seconds(self) -> int:
        """How long this turn has taken."""
        return int(self.ports.clock() - self.clock_began)

    @property
    def now(self) -> int:
        """The moment."""
        return self.began + self.seconds

    def work(self) -> None:
        """Portion after portion; a write that was lost to another worker is looked at again."""
        lost = 0
        while True:
            try:
                if self._step():
                    return
            except Conflict:
                # Another worker is faster, or our own write was answered by nobody. Whoever is
                # alive has a message of their own, so leaving it to them loses nothing.
                lost += 1
                if lost == MOST_ROUNDS:
                    log_event("simulation_left_to_another", policy=self.message.policy)
                    return
            except _Over as over:
                self.end(over.state, over.reason)
                return
            except (BadInput, Broken, Refused) as error:
                self.end("FAILED", str(error))
                return

    def _step(self) -> bool:
        """The next thing to do; returns whether this turn is over."""
        job, version = self._job()
        if job is None:
            return True
        before, after = self._rules(job)
        if job.sampled is None:
            self._sample(job, version, before)
            return False
        if job.done < job.sampled.total:
            return self._portions(job, version, before, after)
        self._finish(job, version, before, after)
        return True

    def _job(self) -> tuple[Job | None, int]:
        """The job with its version, None where there is nothing to do for this message."""
        key = job_key(self.message.policy)
        stored = self.ports.store.read([key], now=self.now).stored(key)
        if stored is None or stored.value.run_id != self.message.run_id:
            return None, 0
        # What failed is taken up: its message was sent back from the dead letters.
        to_do = stored.value.is_open or stored.value.state == "FAILED"
        return (stored.value if to_do else None), stored.version

    def _rules(self, job: Job) -> tuple[Rules, Rules]:
        """What decides, and what is tried; raises _Over where they are no longer what they were."""
        ports = self.ports
        before = ports.rulebook.refresh(store=ports.store, now=self.now, spread=job.run_id)
        if before.policy.hash != job.against:
            raise _Over("OVERTAKEN", f"{before.policy.hash} decides by now")
        sampled = job.sampled
        if sampled is not None and (before.scorer.hash, before.jurisdictions_hash) != (
            sampled.model,
            sampled.jurisdictions,
        ):
            raise _Over("OVERTAKEN", "another version was deployed: its model or its law differs")
        after = ports.rulebook.find(self.message.policy, store=ports.store, now=self.now)
        if after is None:
            raise _Over("GONE")
        return before, after

    def _sample(self, job: Job, version: int, rules: Rules) -> None:
        ports = self.ports
        sampled = take_sample(job, rules=rules, objects=ports.objects, bucket=ports.bucket)
        if not sampled.total:
            raise _Over("FAILED", NOTHING_LOGGED)
        now = self.now
        running = replace(job, state="RUNNING", sampled=sampled, begun_at=now, changed_at=now)
        self._save(running, version)

    def _portions(self, job: Job, version: int, before: Rules, after: Rules) -> bool:
        sampled = job.sampled
        if sampled is None:
            raise Broken("portions come after the sample")
        try:
            ids = read_sample(sampled, objects=self.ports.objects, bucket=self.ports.bucket)
        except NotFound:
            raise _Over("FAILED", EXPIRED) from None
        while job.done < sampled.total:
            portion = ids[job.done : job.done + self.ports.portion]
            read = read_portion(portion, store=self.ports.store, now=self.now)
            counted = added(job.counted, read.situations, before=before, after=after)
            job = advanced(job, counted, by=len(portion), skipped=read.skipped, now=self.now)
            self._save(job, version)
            version += 1
            if self.seconds >= self.ports.turn_seconds and job.done < sampled.total:
                self.ports.queue.send([self.message.body()])
                return True
        return False

    def _finish(self, job: Job, version: int, before: Rules, after: Rules) -> None:
        """Write the simulation down with the policy and end the job, both or neither."""
        figures = tallied_from_json(job.counted).figures(before=before.policy, after=after.policy)
        if not figures["cases"]:
            raise _Over("FAILED", NOBODY)
        now = self.now
        done = Put(
            job_key(self.message.policy),
            ended(job, "DONE", now=now),
            AtVersion(version),
            now + KEPT_SECONDS,
        )
        told = {**figures, "skipped": job.skipped, "run_id": job.run_id}
        simulation = Simulation(job.key_id, now, job.subject, told)
        try:
            note_simulation(
                self.message.policy,
                simulation,
                beside=[done],
                store=self.ports.store,
                now=now,
                correlation_id=job.run_id,
            )
        except NotFound:
            raise _Over("GONE") from None
        log_event("simulation_done", policy=self.message.policy, decisions=job.done)

    def end(self, state: State, reason: str | None) -> None:
        """Save that the run is over, unless it is by now."""
        for _ in range(MOST_ROUNDS):
            job, version = self._job()
            if job is None:
                return
            try:
                self._save(ended(job, state, now=self.now, reason=reason), version)
            except Conflict:
                continue
            log_event("simulation_ended", policy=self.message.policy, state=state, reason=reason)
            return
        raise Transient("others keep writing this simulation")

    def _save(self, job: Job, version: int) -> None:
        save_job(job_key(self.message.policy), job, version, self.ports.store, self.now)


def take(message: Message, *, ports: SimulationPorts, now: int, is_last: bool) -> bool:
    """Work on what a message says; whether that is done with, or shall come again."""
    try:
        work_on(message, ports=ports, now=now, is_last=is_last)
    except SegueError as error:
        log_event(
            "simulation_failed",
            policy=message.policy,
            error=type(error).__name__,
            reason=str(error),
        )
        return False
    return True
