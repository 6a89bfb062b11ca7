"""A simulation as a job: asked for by a click, done in portions, counted once whatever breaks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.core.canonical import canonical_json
from chalicelib.core.erasure import erased_record
from chalicelib.core.errors import BadInput, Broken, NotFound, Refused, Transient
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import RECORD, SIMULATION, STORED_POLICY
from chalicelib.core.policy import Policy
from chalicelib.core.record import situation_from_json
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.simulation_job import (
    MOST_DAYS,
    MOST_DECISIONS,
    SILENT_SECONDS,
    Asked,
    Job,
    Sampled,
    fewest,
)
from chalicelib.core.storage import WHATEVER, Conflict, Delete, Put
from chalicelib.core.subject import customer
from chalicelib.flows import policies, simulation, simulation_sample
from chalicelib.flows.chronicle import DECISIONS
from chalicelib.flows.rulebook import Rulebook
from chalicelib.flows.simulation import SimulationPorts, take, work_on
from chalicelib.flows.simulation_ask import Message, ask, find_job, read_message
from ops.simulation.comparison import compare
from tests.chronicles import BUCKET
from tests.fakes import MemoryObjects, MemoryQueue, MemoryStore
from tests.functional.test_policies import document
from tests.unit.core.situations import NOW, buyer, checkout, shipped_rules
from tests.unit.core.test_exploration import recorded

TODAY = NOW // DAY_SECONDS
RULES = shipped_rules()


@dataclass
class Bench:
    """Decisions of late in the log and in the table, and a policy that is stored."""

    store: MemoryStore = field(default_factory=MemoryStore)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    seconds: Callable[[], float] = lambda: 0.0
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    packaged: Any = RULES
    portion: int = 4

    def __post_init__(self) -> None:
        self.policy = policies.store_policy(
            document(discount=900),
            store=self.store,
            rules=RULES,
            now=NOW,
            key_id="author",
            correlation_id="r-0",
        )

    def decides(self, count: int, *, day: int = TODAY, file: str = "1") -> None:
        """So many checkouts of different customers, stored and logged in one file."""
        lines = []
        for nth in range(count):
            number = len(self.records)
            subject = customer(f"c-{number}")
            situation = checkout(
                decision_id=f"d_{number:04}",
                subject=subject,
                facts=buyer(silent_days=(100, 5)[nth % 2], subject=subject),
                as_of=day * DAY_SECONDS,
            )
            record = recorded(situation, RULES.policy)
            self.records[situation.decision_id] = record
            key = RECORD.key(situation.decision_id)
            self.store.write([Put(key, record, WHATEVER)], now=NOW)
            lines.append(canonical_json({"decision_id": situation.decision_id}))
        date = format_instant(day * DAY_SECONDS)[:10]
        body = gzip.compress(b"\n".join(lines) + b"\n", mtime=0)
        self.objects.arrive(BUCKET, key=f"{DECISIONS}/date={date}/{file}.jsonl.gz", body=body)

    def ports(self) -> SimulationPorts:
        """What a process is given: each has a rulebook of its own."""
        packaged = self.packaged

        def rules_for(policy: Policy) -> Any:
            return replace(packaged, policy=policy)

        rulebook = Rulebook(packaged, rules_for)
        return SimulationPorts(
            self.store,
            self.objects,
            BUCKET,
            self.queue,
            rulebook,
            self.seconds,
            portion=self.portion,
        )

    def ask(self, *, now: int = NOW, run_id: str = "run-1", **asked: Any) -> Job:
        """Press the button."""
        resume, key_id = asked.pop("resume", None), asked.pop("key_id", "asker")
        return ask(
            asked.pop("policy", self.policy.hash),
            Asked(**asked),
            deciding=asked.pop("deciding", RULES.policy.hash),
            resume=resume,
            run_id=run_id,
            store=self.store,
            queue=self.queue,
            now=now,
            key_id=key_id,
            correlation_id="r-1",
        )

    def work(self, *, now: int = NOW, is_last: bool = False) -> bool:
        """Deliver the oldest message; whether it is done with."""
        message = read_message(self.queue.messages[0])
        assert message is not None
        done = take(message, ports=self.ports(), now=now, is_last=is_last)
        if done:
            self.queue.messages.popleft()
        return done

    @property
    def job(self) -> Job:
        """As it stands."""
        job = find_job(self.policy.hash, store=self.store, now=NOW)
        assert job is not None
        return job

    @property
    def noted(self) -> list[Any]:
        """The simulations that are written down with the policy."""
        stored = self.store.one(STORED_POLICY.key(self.policy.hash))
        assert stored is not None
        return list(stored.simulations)


@pytest.fixture
def bench() -> Bench:
    """Nobody has decided anything yet."""
    return Bench()


def at_once(bench: Bench) -> dict[str, Any]:
    """What ``ops simulate`` says of the same decisions, compared in one go."""
    situations = [situation_from_json(each["situation"]) for each in bench.records.values()]
    after = replace(RULES, policy=bench.policy)
    return compare(situations, before=RULES, after=after).figures()


def told(bench: Bench, run_id: str = "run-1") -> dict[str, Any]:
    """The same as a job writes it down."""
    return {**at_once(bench), "skipped": {}, "run_id": run_id}


# --- from the click to the figures --------------------------------------------------------------


def test_portions_add_up_to_what_ops_simulate_says(bench: Bench) -> None:
    """The same code counts; what was done in portions of four equals what is done at once."""
    bench.decides(7, day=TODAY - 3)
    bench.decides(6)

    asked = bench.ask()
    assert (asked.state, bench.queue.messages[0]) == (
        "QUEUED",
        {"simulate": {"policy": bench.policy.hash, "run_id": "run-1"}},
    )
    assert bench.work()

    job = bench.job
    [noted] = bench.noted
    assert (job.state, job.done, job.total, job.skipped) == ("DONE", 13, 13, {})
    assert noted.figures == told(bench)
    assert noted.figures["changed"] == 7
    assert (noted.key_id, noted.subject) == (
        "asker",
        f"decisions of {format_instant(NOW - 6 * DAY_SECONDS)[:10]} to {format_instant(NOW)[:10]}",
    )


def test_records_are_read_by_key_a_hundred_at_once_and_no_table_is_searched(bench: Bench) -> None:
    """The log names them; the store is asked for nothing but reads by key and writes."""
    bench.decides(150)
    bench.portion = 500
    bench.ask()
    bench.store.calls.clear()
    bench.work()

    assert {name for name, _ in bench.store.calls} == {"read", "write"}
    reads = [size for name, size in bench.store.calls if name == "read"]
    assert (reads.count(100), reads.count(50)) == (1, 1)


def test_more_than_asked_for_are_sampled_and_the_subject_says_so(bench: Bench) -> None:
    """The same log gives the same sample, whatever the order in which it is read."""
    bench.decides(40)
    bench.ask(days=1, most_decisions=10)
    bench.work()

    job = bench.job
    assert job.sampled is not None
    assert (job.total, job.sampled.found) == (10, 40)
    assert bench.noted[0].subject == f"a sample of 10 decisions of {format_instant(NOW)[:10]}"
    ids = json.loads(bench.objects.body(BUCKET, job.sampled.key))
    again, found = fewest(reversed(list(bench.records)), most=10, salt="run-1")
    assert (sorted(ids), found) == (sorted(again), 40)


def test_a_log_of_many_files_is_read_in_part(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a busy shop's simulation ends; its subject says that it is a sample."""
    monkeypatch.setattr(simulation_sample, "MOST_FILES", 3)
    for number in range(5):
        bench.decides(2, file=str(number))
    bench.ask()
    bench.work()

    sampled = bench.job.sampled
    assert sampled is not None
    assert (sampled.files_read, sampled.files, sampled.total) == (3, 5, 6)
    assert bench.noted[0].subject.startswith("a sample of 6 decisions")


def test_a_sample_is_even_and_knows_no_duplicates() -> None:
    """Each is as likely as any other: of 4,000 in ten groups every group has about a tenth."""
    names = [f"d-{n}" for n in range(4_000)]
    chosen, found = fewest([*names, *names[:9]], most=1_000, salt="s")
    groups = [sum(int(each[2:]) % 10 == g for each in chosen) for g in range(10)]

    assert len(set(chosen)) == 1_000
    assert found in range(4_000, 4_010)
    assert min(groups) > 70
    assert max(groups) < 130
    assert fewest(["a", "b", "a"], most=5, salt="s")[1] == 2


def test_erased_and_expired_records_are_skipped_and_counted(bench: Bench) -> None:
    """What is no longer there about somebody is not decided again, and nor is it hidden."""
    bench.decides(9)
    names = list(bench.records)
    erased = erased_record(bench.records[names[0]], pseudonym="x", at=NOW)
    damaged = {**bench.records[names[2]], "situation": {"as_of": "never"}}
    bench.store.write(
        [
            Put(RECORD.key(names[0]), erased, WHATEVER),
            Delete(RECORD.key(names[1]), WHATEVER),
            Put(RECORD.key(names[2]), damaged, WHATEVER),
        ],
        now=NOW,
    )
    bench.ask()
    bench.work()

    skipped = {"erased": 1, "expired": 1, "unreadable": 1}
    assert (bench.job.state, bench.job.done, bench.job.skipped) == ("DONE", 9, skipped)
    assert bench.noted[0].figures["cases"] == 6
    assert bench.noted[0].figures["skipped"] == skipped


# --- again, and after a crash -------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("write", range(5))
def test_a_crash_after_any_write_counts_nothing_twice(bench: Bench, write: int, lost: bool) -> None:
    """Whether the write was made or not: the message comes again and goes on from the mark."""
    bench.decides(10)
    bench.ask()
    errors = [None] * write + [Transient("no answer")]
    (bench.store.lose_replies if lost else bench.store.fail_writes)(*errors)

    while bench.queue.messages:
        bench.work()

    assert bench.job.state == "DONE"
    assert [each.figures for each in bench.noted] == [told(bench)]


def test_two_workers_at_once_count_nothing_twice(bench: Bench) -> None:
    """The other one finishes while this one is in the middle; this one's write is lost."""
    bench.decides(10)
    bench.ask()
    message = read_message(bench.queue.messages[0])
    assert message is not None
    bench.store.before_write = lambda: work_on(message, ports=bench.ports(), now=NOW)

    assert bench.work()

    assert len(bench.noted) == 1
    assert bench.noted[0].figures == told(bench)


def test_a_worker_that_always_loses_leaves_it_to_the_other(bench: Bench) -> None:
    """Whoever is faster has a message of their own."""
    bench.decides(2)
    bench.ask()
    bench.store.fail_writes(*[Conflict([])] * simulation.MOST_ROUNDS)

    assert bench.work()
    assert (bench.job.state, bench.noted) == ("QUEUED", [])


def test_a_message_that_comes_again_after_the_end_changes_nothing(bench: Bench) -> None:
    """Nor does one of a run before."""
    bench.decides(3)
    bench.ask()
    message = bench.queue.messages[0]
    bench.work()
    standing = bench.job
    for said in (message, {"simulate": {"policy": bench.policy.hash, "run_id": "run-0"}}):
        bench.queue.messages.append(said)
        assert bench.work(now=NOW + 60)

    assert bench.job == standing
    assert len(bench.noted) == 1


def test_a_turn_that_takes_long_goes_to_the_end_of_the_queue(bench: Bench) -> None:
    """So that a file may come first; the next turn goes on from the mark."""
    bench.decides(10)
    ticks = iter(range(0, 10_000_000, 100))
    bench.seconds = lambda: float(next(ticks))
    bench.ask()
    bench.work()

    assert (bench.job.state, len(bench.queue.messages)) == ("RUNNING", 1)
    assert 0 < bench.job.done < 10
    while bench.queue.messages:
        bench.work()
    assert bench.noted[0].figures == told(bench)


def test_the_log_of_today_may_grow_meanwhile(bench: Bench) -> None:
    """Which decisions are meant is settled once, so that a later turn means the same."""
    bench.decides(3)
    bench.ask()
    # The sample is taken, and then the worker dies.
    bench.store.fail_writes(None, Transient("no answer"))
    assert not bench.work()
    bench.decides(3, file="2")
    assert bench.work()

    assert (bench.job.total, bench.noted[0].figures["cases"]) == (3, 3)


# --- ends that are no result --------------------------------------------------------------------


def test_another_policy_that_decides_by_now_ends_the_run(bench: Bench) -> None:
    """It would be compared with what nobody sees any more; a state of its own says so."""
    bench.decides(3)
    bench.ask()
    other = policies.store_policy(
        document(discount=300),
        store=bench.store,
        rules=RULES,
        now=NOW,
        key_id="k",
        correlation_id="r",
    )
    policies.add_simulation(
        other.hash,
        subject="a file",
        figures={"policy": other.hash},
        store=bench.store,
        now=NOW,
        key_id="k",
        correlation_id="r",
    )
    policies.activate_policy(
        other.hash, store=bench.store, packaged=RULES, now=NOW, key_id="k2", correlation_id="r"
    )

    assert bench.work()
    assert (bench.job.state, bench.noted) == ("OVERTAKEN", [])
    assert other.hash in (bench.job.reason or "")


def test_another_model_that_was_deployed_meanwhile_ends_the_run(bench: Bench) -> None:
    """Half by one model and half by another would be nobody's figures."""
    bench.decides(3)
    bench.ask()
    bench.store.fail_writes(None, Transient("no answer"))
    bench.work()
    bench.packaged = replace(RULES, scorer=Scorecard(RULES.policy))

    assert bench.work()
    assert (bench.job.state, bench.noted) == ("OVERTAKEN", [])


@pytest.mark.parametrize("late", [False, True])
def test_a_policy_that_vanished_ends_the_run(bench: Bench, late: bool) -> None:
    """Before it begins, or when its figures are to be written down."""
    bench.decides(3)
    bench.ask()
    key = STORED_POLICY.key(bench.policy.hash)

    def vanish() -> None:
        bench.store.write([Delete(key, WHATEVER)], now=NOW)

    if late:
        bench.store.fail_writes(None, Transient("no answer"))
        bench.work()
        bench.store.before_write = vanish
    else:
        vanish()

    assert bench.work()
    assert bench.job.state == "GONE"


def test_a_log_that_says_nothing_fails_with_a_reason_and_is_not_tried_again(bench: Bench) -> None:
    """What waiting does not mend is done with at once."""
    bench.ask(days=2)
    assert bench.work()
    assert (bench.job.state, bench.job.reason) == ("FAILED", simulation.NOTHING_LOGGED)


def test_decisions_of_people_who_were_all_erased_are_no_simulation(bench: Bench) -> None:
    """Nothing is written down that would let a policy be activated."""
    bench.decides(1)
    [name] = bench.records
    erased = erased_record(bench.records[name], pseudonym="x", at=NOW)
    bench.store.write([Put(RECORD.key(name), erased, WHATEVER)], now=NOW)
    bench.ask()
    bench.work()

    assert (bench.job.state, bench.job.reason) == ("FAILED", simulation.NOBODY)
    assert bench.noted == []


def test_a_damaged_log_is_named_and_ends_the_run(bench: Bench) -> None:
    """By its file, without a word of what stands in it."""
    key = f"{DECISIONS}/date={format_instant(NOW)[:10]}/9.jsonl.gz"
    bench.objects.arrive(BUCKET, key=key, body=b"c-1 is no gzip")
    bench.ask()
    bench.work()

    assert bench.job.state == "FAILED"
    assert bench.job.reason == f"{key} cannot be read (BadGzipFile)"


def test_a_sample_that_has_expired_is_said(bench: Bench) -> None:
    """After 29 days in the dead letters there is nothing to go on from."""
    bench.decides(3)
    bench.ask()
    bench.store.fail_writes(None, Transient("no answer"))
    bench.work()
    assert bench.job.sampled is not None
    bench.objects.expire(BUCKET, bench.job.sampled.key)

    assert bench.work()
    assert (bench.job.state, bench.job.reason) == ("FAILED", simulation.EXPIRED)


def test_the_last_delivery_gives_up_and_a_redriven_message_goes_on(bench: Bench) -> None:
    """It does not retry for ever; what was counted stays, and is not counted again."""
    bench.decides(10)
    bench.ask()
    bench.store.fail_writes(None, None, Transient("no answer"))
    assert not bench.work(is_last=True)

    job = bench.job
    assert (job.state, job.done) == ("FAILED", 4)
    assert "was tried five times and could not be finished (Transient)" in (job.reason or "")
    assert bench.work(now=NOW + 60)  # ops redrive has sent it back
    assert (bench.job.state, bench.job.reason) == ("DONE", None)
    assert bench.noted[0].figures == told(bench)


def test_what_is_ours_and_broken_ends_the_run(bench: Bench) -> None:
    """Waiting does not mend it, so it is not tried again."""
    bench.ask()
    bench.objects.fail_next(Broken("bucket"))
    assert bench.work()
    assert (bench.job.state, bench.job.reason) == ("FAILED", "bucket")


# --- asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": MOST_DAYS + 1}, "days"),
        ({"most_decisions": 0}, "decisions"),
        ({"most_decisions": MOST_DECISIONS + 1}, "decisions"),
    ],
)
def test_what_is_out_of_bounds_is_named_and_nothing_is_begun(
    bench: Bench, asked: dict[str, Any], field: str
) -> None:
    """The log is kept for 29 days; a simulation shall end within minutes."""
    with pytest.raises(BadInput, match=field):
        bench.ask(**asked)
    assert (bench.store.all("simulation"), len(bench.queue.messages)) == ({}, 0)


def test_only_a_stored_policy_that_does_not_decide_is_simulated(bench: Bench) -> None:
    """Against itself there is nothing to see."""
    with pytest.raises(NotFound):
        ask_for(bench, "sha256:none")
    with pytest.raises(Refused, match="decides_already"):
        ask_for(bench, bench.policy.hash, deciding=bench.policy.hash)


def ask_for(bench: Bench, policy: str, *, deciding: str = RULES.policy.hash) -> Job:
    """Press the button of another policy."""
    return ask(
        policy,
        Asked(),
        deciding=deciding,
        run_id="run-1",
        store=bench.store,
        queue=bench.queue,
        now=NOW,
        key_id="k",
        correlation_id="r",
    )


def test_a_second_click_begins_nothing_anew_and_sends_the_message_again(bench: Bench) -> None:
    """That is also what brings on a job whose message was lost."""
    bench.decides(3)
    bench.queue.fail_next(Transient("no answer"))
    with pytest.raises(Transient):
        bench.ask()
    assert (bench.job.state, len(bench.queue.messages)) == ("QUEUED", 0)
    assert bench.job.is_silent(NOW + SILENT_SECONDS + 1)

    again = bench.ask(now=NOW + 60, run_id="run-2", days=1)
    bench.ask(now=NOW + 61, run_id="run-3")

    assert (again.run_id, again.asked) == ("run-1", Asked())
    assert len(bench.queue.messages) == 2
    while bench.queue.messages:
        assert bench.work()
    assert len(bench.noted) == 1


def test_two_operators_at_once_begin_one_run(bench: Bench) -> None:
    """Whoever comes second finds the other's."""

    def ask_beside() -> None:
        bench.ask(run_id="run-2")

    bench.store.before_write = ask_beside
    assert bench.ask().run_id == "run-2"
    assert len(bench.store.all("simulation")) == 1


def test_what_has_ended_is_begun_anew_and_what_failed_may_go_on(bench: Bench) -> None:
    """As the operator chooses."""
    bench.decides(10)
    bench.ask()
    bench.store.fail_writes(None, None, Transient("no answer"))
    bench.work(is_last=True)
    bench.queue.messages.clear()

    on = bench.ask(now=NOW + 60, run_id="run-2", resume="run-1")
    assert (on.run_id, on.state, on.done, on.reason) == ("run-1", "QUEUED", 4, None)
    bench.work()
    assert bench.job.state == "DONE"
    anew = bench.ask(now=NOW + 90, run_id="run-2", resume="run-1", days=1)
    assert (anew.run_id, anew.state, anew.done, anew.asked.days) == ("run-2", "QUEUED", 0, 1)


def test_progress_says_pace_and_time_left() -> None:
    """By the last save; nothing before that can be known."""
    job = Job("r", "k", Asked(), "sha256:x", NOW, NOW)
    assert (job.per_second(), job.seconds_left(), job.total) == (None, None, None)
    sampled = Sampled("key", 1_000, 1_000, 1, 1, "m", "j")
    running = replace(
        job, state="RUNNING", sampled=sampled, begun_at=NOW, changed_at=NOW + 4, done=300
    )
    assert (running.per_second(), running.seconds_left()) == (75.0, 10)


def test_the_job_comes_back_from_storage_as_it_was(bench: Bench) -> None:
    """With everything that was counted."""
    bench.decides(5)
    bench.ask()
    bench.work()
    job = bench.job
    assert SIMULATION.from_json(json.loads(json.dumps(SIMULATION.to_json(job)))) == job


def test_messages_about_other_things_are_none_of_ours() -> None:
    """Only what names a policy and a run is a simulation."""
    assert read_message({"simulate": {"policy": "p", "run_id": "r"}}) == Message("p", "r")
    others: list[Any] = [
        {},
        {"simulate": 1},
        {"simulate": {"policy": 1, "run_id": "r"}},
        {"Records": []},
    ]
    for said in others:
        assert read_message(said) is None
