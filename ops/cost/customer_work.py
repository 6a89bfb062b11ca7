"""What one customer of an orders file takes, read off the rehearsal's two files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from chalicelib.core import kinds
from chalicelib.core.storage import Kind
from ops.cost.flows import LOG, MAIL
from ops.cost.plan import CustomerWork
from ops.cost.quantities import added, scaled, slope
from ops.cost.recorder import Invocation
from ops.cost.rehearsal import FEW, MANY, Rehearsed
from ops.cost.work import Lambdas

ORDER = "order"
# A drop writes its own progress; it is no customer's.
OF_THE_DROP = "drop"


def tables_by_kind() -> Mapping[str, str]:
    """The table of each kind of item."""
    return {each.name: each.table for each in vars(kinds).values() if isinstance(each, Kind)}


def customer_work(rehearsed: Rehearsed, lambdas: Lambdas) -> CustomerWork:
    """The difference between the two files, for each customer and for each order."""
    recorder = rehearsed.recorder
    [few], [many] = recorder.of(FEW, "on_drop"), recorder.of(MANY, "on_drop")
    customers = rehearsed.customers[MANY] - rehearsed.customers[FEW]
    rows = rehearsed.rows[MANY] - rehearsed.rows[FEW]
    orders = len(many.counts.item_bytes[ORDER]) - len(few.counts.item_bytes[ORDER])
    by_kind = slope(few.counts.kind_units, many.counts.kind_units, customers)
    order_units = by_kind.pop(ORDER) * customers / orders
    by_kind.pop(OF_THE_DROP, None)
    tables = tables_by_kind()
    by_table = added(*({tables[kind]: units} for kind, units in by_kind.items()))
    reads = slope(few.counts.units, many.counts.units, customers)["dynamodb.read_unit"]
    follows = [
        each
        for each in recorder.invocations
        if each.scene.startswith(f"{MANY}: ")
        or (each.scene == MANY and each.function in ("on_effects_planned", LOG))
    ]
    quiet = [each for each in follows if not each.scene.endswith(MAIL)]
    per_customer = 1 / rehearsed.customers[MANY]
    after = scaled(lambdas.total(quiet), per_customer)
    written_after: Counter[str] = Counter()
    for each in quiet:
        written_after.update({tables[k]: n for k, n in each.counts.kind_units.items()})
    return CustomerWork(
        customer_write_units=added(by_table, scaled(written_after, per_customer)),
        order_write_units=order_units,
        # An order that nobody knows is read as absent: one unit.
        customer_read_units=max(0.0, reads - orders / customers)
        + after.get("dynamodb.read_unit", 0.0),
        order_read_units=1.0,
        order_cpu_ms=max(0.0, many.cpu_ms - few.cpu_ms) / rows,
        customer_wait_ms=max(0.0, _waits_ms(many, lambdas) - _waits_ms(few, lambdas)) / customers,
        other_units={
            name: amount
            for name, amount in after.items()
            if name not in ("dynamodb.write_unit", "dynamodb.read_unit")
        },
        mails=sum(each.counts.calls["email POST"] for each in follows if each.scene.endswith(MAIL))
        * per_customer,
        row_bytes=rehearsed.file_bytes[MANY] / rehearsed.rows[MANY],
        stored_bytes=(many.counts.grown_bytes - few.counts.grown_bytes) / customers,
        orders=orders / customers,
    )


def _waits_ms(invocation: Invocation, lambdas: Lambdas) -> float:
    """Waiting for storage, one call after the other; files are waited for once, and not counted."""
    told = lambdas.assumptions
    return sum(
        told.wait_ms(call) * count
        for call, count in invocation.counts.calls.items()
        if call.startswith("dynamodb")
    )
