"""One attempt at one drop: the file fetched, read, and done what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.tokens import SigningKeys
from chalicelib.files.lying_plain import lies_plain
from chalicelib.files.parquet_file import check_parquet
from chalicelib.files.reader import Rows
from chalicelib.files.records import check_customer_columns
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.unpack import unpack
from chalicelib.flows.big_begin import Division
from chalicelib.flows.big_sizes import Sizes
from chalicelib.flows.drop_catalogue import save_catalogue
from chalicelib.flows.drop_features import score_features
from chalicelib.flows.drop_fold import DropGiven, Outcome
from chalicelib.flows.drop_layouts import DropKind, Plan, legacy_of, plan_for
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_manifest import ResultFile, result_file
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_people import at_once, fold_people
from chalicelib.flows.drop_person import Person
from chalicelib.flows.drop_report import Tally, write_rejects, write_scores, write_unscored
from chalicelib.flows.drop_rows import buyers_in, contacts_in
from chalicelib.flows.objects import Objects
from chalicelib.flows.settled import Given

UNKNOWN = "unknown"
CSV = "text/csv; charset=utf-8"
PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class DropLimits:
    """How much one file may cost.

    Attributes:
        most_bytes: the largest text after unpacking.
        memory_mb: what DuckDB may hold before it spills to disk.
        customers_at_once: how many customers are gathered with one read.
        parallel_writes: how many writes wait for storage at the same time.
    """

    most_bytes: int = 512 << 20
    memory_mb: int = 512
    customers_at_once: int = 200
    parallel_writes: int = 8


@dataclass(frozen=True, slots=True)
class DropPorts:
    """What handling drops needs from outside.

    Attributes:
        store: profiles, catalogue, and the drop itself; it keeps to a rate of its own.
        objects: where files come from and results go.
        results_bucket: its name.
        mapping: finds how a legacy export is read.
        limits: how much one file may cost.
        workdir: where files lie while they are worked on; None is the system's own place.
        back_off: waits after an attempt that met other writers, the first being 1.
        division: takes what is too big for one function; None divides nothing.
        sizes: into how many parts.
    """

    store: Store
    objects: Objects
    results_bucket: str
    mapping: Callable[[str], Mapping[str, Any] | None]
    limits: DropLimits = DropLimits()
    workdir: Path | None = None
    back_off: Callable[[int], None] = at_once
    division: Division | None = None
    sizes: Sizes = field(default_factory=Sizes)


@dataclass(slots=True)
class Work:
    """One attempt at one drop."""

    arrived: Arrived
    ports: DropPorts
    rules: Rules
    keys: SigningKeys
    now: int
    tally: Tally
    log: DropLog
    files: list[ResultFile] = field(default_factory=list)

    @property
    def correlation_id(self) -> str:
        """The drop's own id, so that a mail leads back to its file."""
        return f"drop-{self.arrived.drop_id}"

    def run(self, folder: Path) -> None:
        """Read the file, do what it says, and leave the results; raises FileRefused."""
        plan = plan_for(self.arrived.key, self.ports.mapping)
        source = self._fetch(plan, folder)
        rejects = RejectSpool(folder / "rejected")
        try:
            if plan.kind is DropKind.FEATURES:
                self._features(plan, source, rejects, folder)
            else:
                self._rows(plan, source, rejects, folder)
            self.tally.rejected = rejects.count
            self.log.enter("finishing", self.tally.counts())
            write_rejects(folder / "rejects.csv", rejects)
        finally:
            rejects.close()
        self._leave(folder / "rejects.csv", rows=self.tally.rejected)

    def _rows(self, plan: Plan, source: Path, rejects: RejectSpool, folder: Path) -> None:
        """Let every row say what it has to say."""
        self.log.enter("reading", {})
        rows = Rows(source, plan.layout, workdir=folder, memory_mb=self.ports.limits.memory_mb)
        source.unlink()  # the disk holds a few copies of the largest file, not all of them at once
        try:
            self.tally.records = rows.count
            for reject in rows.rejects:
                rejects.add(reject)
            self.tally.rejected = rejects.count
            self.log.enter("folding", self.tally.counts())
            match plan.kind:
                case DropKind.CATALOG:
                    save_catalogue(
                        rows,
                        rejects,
                        self.tally,
                        store=self.ports.store,
                        back_off=self.ports.back_off,
                        at=self.log.drop.as_of,
                        now=self.now,
                    )
                case DropKind.ORDERS:
                    legacy = legacy_of(plan, rows.moments)
                    buyers = buyers_in(rows, rejects, legacy=legacy, now=self.now)
                    self._people(buyers, rejects, folder)
                case _:
                    check_customer_columns(rows.fields)
                    people = contacts_in(rows, rejects, at=self.log.drop.as_of)
                    self._people(people, rejects, folder)
        finally:
            rows.close()

    def _features(self, plan: Plan, source: Path, rejects: RejectSpool, folder: Path) -> None:
        """Score every row; nobody's profile is read, and nothing is decided."""
        scores = folder / "scores.parquet"
        self.log.enter("scoring", {})
        found = score_features(
            source,
            plan.layout,
            scorer=self.rules.scorer,
            target=scores,
            rejects=rejects,
            workdir=folder,
            memory_mb=self.ports.limits.memory_mb,
        )
        self.tally = Tally.of_features(found)
        self._leave(scores, rows=found.scored, content_type=PARQUET)

    def _fetch(self, plan: Plan, folder: Path) -> Path:
        """The file as it can be read: text unpacked and decoded, Parquet as it is."""
        packed, plain = folder / "packed", folder / "plain"
        arrived = self.arrived
        self.ports.objects.download_to(
            packed,
            bucket=arrived.bucket,
            key=arrived.key,
            version_id=arrived.version_id,
            # A version never changes; without versions the name may soon be another object's.
            etag=None if arrived.version_id else arrived.etag,
        )
        limits = self.ports.limits
        if plan.layout.format == "parquet":
            check_parquet(
                packed,
                plan.layout,
                unfold=plan.kind is not DropKind.FEATURES,
                workdir=folder / "footer",
                most_bytes=limits.most_bytes,
                memory_mb=limits.memory_mb,
            )
            return packed
        as_it_is = plan.encoding == "utf-8" and not plan.compressed
        if as_it_is and lies_plain(packed, most_bytes=limits.most_bytes):
            return packed
        unpack(
            packed,
            plain,
            compressed=plan.compressed,
            encoding=plan.encoding,
            most_bytes=limits.most_bytes,
        )
        packed.unlink()
        return plain

    def _people(self, people: Iterator[Person], rejects: RejectSpool, folder: Path) -> None:
        scores, unscored = folder / "scores.csv", folder / "unscored.csv"
        self.fold(people, rejects, scores, unscored)
        self._leave(scores, rows=self.tally.scored)
        self._leave(unscored, rows=self.tally.unscored.total())

    def fold(
        self, people: Iterator[Person], rejects: RejectSpool, scores: Path, unscored: Path
    ) -> None:
        """Fold customers in chunks; who was scored and who was not goes into a file each."""
        write_scores(scores, ())
        write_unscored(unscored, ())
        drop = self.log.drop
        about = DropGiven(
            Given(self.rules, self.keys, self.now, self.correlation_id), drop.drop_id, drop.as_of
        )
        limits = self.ports.limits
        with ThreadPoolExecutor(limits.parallel_writes) as executor:
            while chunk := list(islice(people, limits.customers_at_once)):
                outcomes = fold_people(
                    chunk,
                    store=self.ports.store,
                    executor=executor,
                    about=about,
                    back_off=self.ports.back_off,
                )
                for outcome in outcomes:
                    self._count(outcome, rejects)
                write_scores(scores, (o.row for o in outcomes if o.row is not None))
                write_unscored(unscored, _unscored_in(chunk, outcomes))
                self.tally.rejected = rejects.count
                self.log.tell(self.tally.counts())

    def _leave(self, path: Path, *, rows: int, content_type: str = CSV) -> None:
        self.files.append(result_file(path, name=path.name, rows=rows))
        self.ports.objects.upload(
            path,
            bucket=self.ports.results_bucket,
            key=f"results/{self.arrived.drop_id}/{path.name}",
            content_type=content_type,
        )

    def _count(self, outcome: Outcome, rejects: RejectSpool) -> None:
        tally = self.tally
        tally.folded += outcome.folded
        tally.duplicate += outcome.duplicate
        tally.erased += outcome.erased
        for reject in outcome.rejects:
            rejects.add(reject)
        tally.customers += 1
        tally.decisions += outcome.decided
        tally.fallbacks += outcome.fallback
        tally.effects += outcome.effects
        if outcome.row is None:
            tally.unscored[outcome.unscored or UNKNOWN] += 1
        else:
            tally.scored += 1
            tally.segments[outcome.row.segment] += 1


def _unscored_in(
    people: Sequence[Person], outcomes: Sequence[Outcome]
) -> Iterator[tuple[str, str]]:
    """Who of a chunk was not scored, and why."""
    for person, outcome in zip(people, outcomes, strict=True):
        if outcome.row is None:
            yield person.subject.id, outcome.unscored or UNKNOWN
