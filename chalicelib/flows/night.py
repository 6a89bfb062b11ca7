"""Once a night: the log of each day that is over, and of each whose reward window has closed.

A day's first exposures are taken from the log and wait until nobody of them can buy within the
window any more; then what they bought is looked up by key, and only sums are kept. Everything is
worked out from the log and from what the day before left in S3, and the last write moves on to the
next day: a night that broke, or that comes twice, does the same again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.core.baselines import Baselines
from chalicelib.core.errors import NotFound
from chalicelib.core.exploration import Exploration
from chalicelib.core.instants import DAY_SECONDS, format_instant, parse_instant
from chalicelib.core.kinds import MEASURED, NIGHT_KEY, WATCHED
from chalicelib.core.measured import KEPT_SECONDS, measured_to_json
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Found, Key, Put
from chalicelib.core.watched import Watched
from chalicelib.files.database import translated
from chalicelib.files.decision_days import Day, open_day
from chalicelib.flows.budgets import note_budgets
from chalicelib.flows.chronicle import DECISIONS
from chalicelib.flows.night_outcomes import measure_closed
from chalicelib.flows.night_watch import ring, watch
from chalicelib.flows.objects import Objects
from chalicelib.telemetry import log_event

STATE = "log/state"
# After a long pause: each takes minutes at most, and the function has fifteen.
MOST_DAYS = 7
DEFAULT_WINDOW_DAYS = int(Exploration.model_fields["reward_window_days"].default)
_DOWNLOADS = 8


@dataclass(frozen=True, slots=True)
class NightPorts:
    """What a night needs.

    Attributes:
        store: records, profiles, and what was measured.
        objects: the log.
        bucket: its bucket.
        baselines: reads those of the packaged model; None where it was refused.
        workdir: where temporary files lie; None for the system's place.
        memory_mb: what DuckDB may hold before it spills to disk.
    """

    store: Store
    objects: Objects
    bucket: str
    baselines: Callable[[], Baselines | None]
    workdir: Path | None = None
    memory_mb: int = 512


@dataclass(frozen=True, slots=True)
class Given:
    """One day's work: which day, by which policy, as of when; days count from 1970-01-01."""

    day: int
    policy: Policy
    now: int

    @property
    def closed_before(self) -> int:
        """Exposures from before this moment can lead to nothing more: a day closes as a whole."""
        return (self.day - window_days_of(self.policy) + 1) * DAY_SECONDS


def window_days_of(policy: Policy) -> int:
    """How long after an exposure an order still counts."""
    exploration = policy.exploration
    return DEFAULT_WINDOW_DAYS if exploration is None else exploration.reward_window_days


def work_through(*, ports: NightPorts, policy: Policy, now: int) -> int:
    """Work through every day that is over and was not; returns how many. Note how budgets stand.

    Raises Transient where storage or bucket did not answer, Broken where a file of the log cannot
    be read; either way the same can be done again.
    """
    found = ports.store.read([NIGHT_KEY], now=now)
    known = found.value(NIGHT_KEY)
    yesterday = now // DAY_SECONDS - 1
    through = None if known is None else _day_of(known["through"])
    first = yesterday if through is None else through + 1
    days = range(first, min(yesterday, first + MOST_DAYS - 1) + 1)
    for day in days:
        _work(Given(day, policy, now), through, found, ports)
        through, found = day, ports.store.read([NIGHT_KEY], now=now)
    note_budgets(store=ports.store, policy=policy, now=now)
    return len(days)


def _work(given: Given, before: int | None, found: Found, ports: NightPorts) -> None:
    with tempfile.TemporaryDirectory(dir=ports.workdir) as folder:
        workdir = Path(folder)
        logs = _fetch_log(given.day, workdir, ports)
        marks, pending = _fetch_state(before, workdir, ports)
        opened = open_day(
            workdir, logs=logs, marks=marks, pending=pending, memory_mb=ports.memory_mb
        )
        with translated(), opened as day:
            watched = watch(day, given.day, policy=given.policy, baselines=ports.baselines())
            _keep(day, watched, given, workdir, ports)
    ring(given.day, store=ports.store, baselines=ports.baselines(), now=given.now)
    through = {"through": _name_of(given.day)}
    ports.store.write([Put(NIGHT_KEY, through, AtVersion(found.version(NIGHT_KEY)))], now=given.now)


def _keep(day: Day, watched: Watched, given: Given, workdir: Path, ports: NightPorts) -> None:
    """Store what was found of a day, and what the next one has to know."""
    closed = day.closed(given.closed_before)
    measured = measure_closed(
        closed,
        store=ports.store,
        currency=given.policy.default_currency,
        window_days=window_days_of(given.policy),
        now=given.now,
    )
    marks, pending = workdir / "marks.parquet", workdir / "pending.parquet"
    day.save(marks, pending, from_moment=given.closed_before)
    name = _name_of(given.day)
    for path in (marks, pending):
        ports.objects.upload(
            path,
            bucket=ports.bucket,
            key=f"{STATE}/date={name}/{path.name}",
            content_type="application/vnd.apache.parquet",
        )
    window_days = window_days_of(given.policy)
    told: dict[Key[Any], Any] = {WATCHED.key(name): watched}
    for exposed_on, each in measured.items():
        key = MEASURED.key(_name_of(exposed_on))
        told[key] = {**measured_to_json(each), "window_days": window_days}
    _store(told, given.now, ports)
    log_event(
        "night_worked_through",
        version=name,
        decisions=watched.decisions,
        customers=watched.customers,
        count=len(measured),
    )


def _store(told: Mapping[Key[Any], Any], now: int, ports: NightPorts) -> None:
    """Store what a night found, over what the same night may have stored before it broke."""
    found = ports.store.read(list(told), now=now)
    for key, value in told.items():
        at = AtVersion(found.version(key))
        ports.store.write([Put(key, value, at, now + KEPT_SECONDS)], now=now)


def _fetch_log(day: int, workdir: Path, ports: NightPorts) -> Sequence[Path]:
    folder = workdir / "lines"
    folder.mkdir()
    prefix = f"{DECISIONS}/date={_name_of(day)}/"
    keys = [each.key for each in ports.objects.list(ports.bucket, prefix=prefix)]
    paths = [folder / key.removeprefix(prefix) for key in keys]

    def fetch(key: str, path: Path) -> None:
        ports.objects.download_to(path, bucket=ports.bucket, key=key)

    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        for _ in pool.map(fetch, keys, paths):
            pass
    return paths


def _fetch_state(
    before: int | None, workdir: Path, ports: NightPorts
) -> tuple[Path | None, Path | None]:
    """What the day before has left; nothing on the first night, or after it expired."""
    if before is None:
        return None, None
    known = (workdir / "known-marks.parquet", workdir / "known-pending.parquet")
    try:
        for path in known:
            name = path.name.removeprefix("known-")
            key = f"{STATE}/date={_name_of(before)}/{name}"
            ports.objects.download_to(path, bucket=ports.bucket, key=key)
    except NotFound:
        # Nobody worked for as long as results stay: whoever comes now is counted anew.
        log_event("night_begins_anew", version=_name_of(before))
        return None, None
    return known


def _name_of(day: int) -> str:
    return format_instant(day * DAY_SECONDS)[:10]


def _day_of(name: str) -> int:
    return parse_instant(name, field="through") // DAY_SECONDS
