"""A catalogue file: its statements about articles joined into the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.core.catalogue import Statement, take_statement
from chalicelib.core.errors import BadInput, Transient
from chalicelib.core.kinds import PRODUCT
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put
from chalicelib.files.reader import Rows
from chalicelib.files.records import read_product
from chalicelib.files.rejects import RejectSpool
from chalicelib.flows.drop_report import Tally

MOST_ROUNDS = 5
PRODUCTS_AT_ONCE = 50


def save_catalogue(
    rows: Rows,
    rejects: RejectSpool,
    tally: Tally,
    *,
    store: Store,
    back_off: Callable[[int], None],
    at: int,
    now: int,
) -> None:
    """Save products; of two statements about one SKU the later record stands.

    Args:
        rows: of the file.
        rejects: is told of each record that says nothing usable.
        tally: is told what became of the others.
        store: where the catalogue stands.
        back_off: waits after an attempt that met other writers, the first being 1.
        at: the moment at which the file speaks.
        now: the moment.

    Raises Transient where articles keep changing under the file.
    """
    products: dict[str, Statement] = {}
    for record, row in rows.ordered_by():
        try:
            product = read_product(row, at=at)
        except BadInput as error:
            rejects.refuse(record, error, row)
            continue
        tally.duplicate += product.sku in products
        products[product.sku] = product
    tally.folded += len(products)
    tally.products = len(products)
    wanted = list(products.values())
    for start in range(0, len(wanted), PRODUCTS_AT_ONCE):
        _save(wanted[start : start + PRODUCTS_AT_ONCE], store, back_off, now=now)


def _save(
    wanted: Sequence[Statement], store: Store, back_off: Callable[[int], None], *, now: int
) -> None:
    """Join what the file says into the catalogue; what was said later stays.

    Whatever others are writing at the same time is tried again by itself: an article in demand
    must not hold up the forty-nine that nobody touches.
    """
    waiting = [(wanted, 1)]
    while waiting:
        part, tries = waiting.pop()
        if tries > 1:
            back_off(tries - 1)
        lost = _save_some(part, store, now=now)
        if lost and tries == MOST_ROUNDS:
            raise Transient("the catalogue keeps changing under this drop")
        others = [said for said in part if said not in lost] if lost else []
        waiting += [([said], tries + 1) for said in lost]
        waiting += [(others, tries + 1)] if others else []


def _save_some(wanted: Sequence[Statement], store: Store, *, now: int) -> Sequence[Statement]:
    """Save in one write; returns those whose article somebody else was writing."""
    keys = {said.sku: PRODUCT.key(said.sku) for said in wanted}
    found = store.read(list(keys.values()), now=now)
    puts = []
    for said in wanted:
        key = keys[said.sku]
        standing = found.value(key)
        product = take_statement(standing, said)
        if product != standing:
            puts.append(Put(key, product, AtVersion(found.version(key))))
    try:
        store.write(puts, now=now)
    except Conflict as conflict:
        return [said for said in wanted if conflict.lost(keys[said.sku])] or wanted
    return ()
