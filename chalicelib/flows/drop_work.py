"""One attempt at one drop: the file fetched, read, and done what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from chalicelib.aws.objects import ObjectInfo
from chalicelib.core.catalogue import Product
from chalicelib.core.control import Drop
from chalicelib.core.errors import BadInput, Transient
from chalicelib.core.kinds import DROP, PRODUCT
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.storage import WHATEVER, AtVersion, Conflict, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.files.mapping import Mapping as Legacy
from chalicelib.files.reader import Rows
from chalicelib.files.records import (
    OrderLine,
    Rejects,
    Row,
    grouped,
    read_customer,
    read_order,
    read_product,
)
from chalicelib.files.unpack import unpack
from chalicelib.flows.drop_fold import DropGiven, Outcome, Person
from chalicelib.flows.drop_layouts import DropKind, Plan, plan_for
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_people import fold_people
from chalicelib.flows.drop_report import Tally, write_scores
from chalicelib.flows.settled import Given

MOST_PRODUCT_ROUNDS = 5


class Objects(Protocol):
    """Files in buckets: S3, and its in-memory twin."""

    def head(self, bucket: str, *, key: str, version_id: str | None = None) -> ObjectInfo:
        """What an object is; raises NotFound."""
        ...

    def download_to(
        self, path: Path, *, bucket: str, key: str, version_id: str | None = None
    ) -> None:
        """An object's bytes onto a local path."""
        ...

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """Bytes into an object."""
        ...

    def upload(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        """A local file into an object."""
        ...


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
    """What handling drops needs from outside."""

    store: Store
    objects: Objects
    results_bucket: str
    mapping: Callable[[str], Mapping[str, Any] | None]
    limits: DropLimits = DropLimits()
    workdir: Path | None = None


@dataclass(slots=True)
class Work:
    """One attempt at one drop."""

    arrived: Arrived
    ports: DropPorts
    rules: Rules
    keys: SigningKeys
    now: int
    tally: Tally
    rejects: Rejects

    @property
    def correlation_id(self) -> str:
        """The drop's own id, so that a mail leads back to its file."""
        return f"drop-{self.arrived.drop_id}"

    def run(self, drop: Drop, folder: Path) -> None:
        """Read the file and do what it says; raises FileRefused."""
        plan = plan_for(self.arrived.key, self.ports.mapping)
        packed, plain = folder / "packed", folder / "plain"
        self.ports.objects.download_to(
            packed, bucket=self.arrived.bucket, key=self.arrived.key,
            version_id=self.arrived.version_id,
        )  # fmt: skip
        unpack(
            packed,
            plain,
            compressed=plan.compressed,
            encoding=plan.encoding,
            most_bytes=self.ports.limits.most_bytes,
        )
        rows = Rows(plain, plan.layout, workdir=folder, memory_mb=self.ports.limits.memory_mb)
        try:
            self.rejects.found += rows.rejects
            self.tally.records = rows.count
            match plan.kind:
                case DropKind.CATALOG:
                    self._catalogue(rows, drop)
                case DropKind.ORDERS | DropKind.CUSTOMERS:
                    self._people(rows, plan, drop, folder)
        finally:
            rows.close()
        self.tally.rejected = len({reject.record for reject in self.rejects.found})

    def _people(self, rows: Rows, plan: Plan, drop: Drop, folder: Path) -> None:
        scores = folder / "scores.csv"
        write_scores(scores, ())
        about = DropGiven(
            Given(self.rules, self.keys, self.now, self.correlation_id), drop.drop_id, drop.as_of
        )
        limits = self.ports.limits
        people = self._read_people(rows, plan, drop)
        with ThreadPoolExecutor(limits.parallel_writes) as executor:
            while chunk := list(islice(people, limits.customers_at_once)):
                outcomes = fold_people(
                    chunk, store=self.ports.store, executor=executor, about=about
                )
                for outcome in outcomes:
                    self._count(outcome)
                write_scores(scores, (o.row for o in outcomes if o.row is not None))
                running = replace(drop, counts=self.tally.counts())
                self.ports.store.write(
                    [Put(DROP.key(drop.drop_id), running, WHATEVER)], now=self.now
                )
        self.ports.objects.upload(
            scores,
            bucket=self.ports.results_bucket,
            key=f"results/{drop.drop_id}/scores.csv",
            content_type="text/csv",
        )

    def _count(self, outcome: Outcome) -> None:
        tally = self.tally
        tally.folded += outcome.folded
        tally.duplicate += outcome.duplicate
        self.rejects.found += outcome.rejects
        tally.customers += 1
        tally.decisions += outcome.decided
        tally.effects += outcome.effects
        if outcome.row is None:
            tally.unscored[outcome.unscored or "unknown"] += 1
        else:
            tally.scored += 1
            tally.segments[outcome.row.segment] += 1

    def _read_people(self, rows: Rows, plan: Plan, drop: Drop) -> Iterator[Person]:
        """The customers of a file, one by one, in the order of their ids."""
        for group in grouped(rows.ordered_by("customer_id"), "customer_id"):
            person = (
                self._buyer(group, plan.legacy, drop)
                if plan.kind is DropKind.ORDERS
                else self._contact(group, drop)
            )
            if person is not None:
                yield person

    def _buyer(
        self, group: list[tuple[int, Row]], legacy: Legacy | None, drop: Drop
    ) -> Person | None:
        lines: list[OrderLine] = []
        for record, row in group:
            try:
                lines.append(read_order(record, row, legacy=legacy, as_of=drop.as_of))
            except BadInput as error:
                self.rejects.refuse(record, error, row)
        if not lines:
            return None
        return Person(customer(lines[0].customer_id), lines=tuple(lines), records=len(lines))

    def _contact(self, group: list[tuple[int, Row]], drop: Drop) -> Person | None:
        """The last record of a customer stands; equal ones are repetitions, others are rejected."""
        read = []
        for record, row in group:
            try:
                read.append((record, row, *read_customer(row, at=drop.as_of)))
            except BadInput as error:
                self.rejects.refuse(record, error, row)
        if not read:
            return None
        last, _, customer_id, change = read[-1]
        repeated = 0
        for record, row, _, other in read[:-1]:
            if other == change:
                repeated += 1
            else:
                problem = BadInput.of("customer_id", f"stands twice; record {last} was taken")
                self.rejects.refuse(record, problem, row)
        return Person(customer(customer_id), change=change, repeated=repeated)

    def _catalogue(self, rows: Rows, drop: Drop) -> None:
        """Save products; of two statements about one SKU the later record stands."""
        products: dict[str, tuple[int, Product]] = {}
        for record, row in rows.ordered_by():
            try:
                product = read_product(row, at=drop.as_of)
            except BadInput as error:
                self.rejects.refuse(record, error, row)
                continue
            if product.sku in products:
                self.tally.duplicate += 1
            products[product.sku] = (record, product)
        self.tally.folded += len(products)
        wanted = [product for _, product in products.values()]
        for start in range(0, len(wanted), 50):
            self._save_products(wanted[start : start + 50])

    def _save_products(self, wanted: list[Product]) -> None:
        """Save what the catalogue does not know better already; what was said later stays."""
        for _ in range(MOST_PRODUCT_ROUNDS):
            keys = {product.sku: PRODUCT.key(product.sku) for product in wanted}
            found = self.ports.store.read(list(keys.values()), now=self.now)
            puts = []
            for product in wanted:
                standing = found.stored(keys[product.sku])
                if standing is None:
                    puts.append(Put(keys[product.sku], product))
                elif standing.value != product and standing.value.said_at <= product.said_at:
                    puts.append(Put(keys[product.sku], product, AtVersion(standing.version)))
            try:
                self.ports.store.write(puts, now=self.now)
            except Conflict:
                continue
            return
        raise Transient("the catalogue keeps changing under this drop")
