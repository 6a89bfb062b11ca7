"""Views, pieces and stock on their way from events to prices: once each, and no hot article."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.catalogue import Product
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import PRODUCT, SIGNAL
from chalicelib.core.price_rules import Adjustment
from chalicelib.core.storage import AtVersion, Put
from tests.makers import NOW, Raw, order_event, track
from tests.shop import Shop
from tests.signals import article, counting, demand_of, stream, stream_records
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import MUG

WANTED = Adjustment(name="wanted", min_demand=20, discount_basis_points=-300)
SCARCE = Adjustment(name="scarce", max_stock=2, discount_basis_points=-400)


def shop_with(*products: Product) -> Shop:
    """A shop that counts demand and knows these articles, its calls uncounted."""
    shop = Shop(rules=counting())
    for each in products:
        shop.store.write([Put(PRODUCT.key(each.sku), each)], now=NOW)
    shop.calls()
    return shop


@pytest.fixture
def shop() -> Shop:
    """A shop that counts demand and sells a mug."""
    return shop_with(MUG)


@pytest.fixture
def front() -> Iterator[Storefront]:
    """The API of a shop whose discounts shrink when the mug is in demand, or nearly gone."""
    with open_storefront(rules=counting(WANTED, SCARCE)) as storefront:
        yield storefront


def viewed(user: str, sku: str = "MUG", **more: Any) -> Raw:
    """Somebody looks at an article."""
    return track("Product Viewed", user=user, sku=sku, **more)


def bought(user: str, order_id: str, quantity: int, sku: str = "MUG", **more: Any) -> Raw:
    """Somebody buys so many."""
    products = [{"sku": sku, "quantity": quantity, "price": 20}]
    return order_event(
        "Order Completed", order_id, total=20 * quantity, user=user, products=products, **more
    )


def stock(sku: str = "MUG", *, at: int = NOW, **said: Any) -> Raw:
    """The stock system speaks, for nobody."""
    return track("Inventory Updated", sku=sku, at=at, **said)


def left(shop: Shop) -> int:
    """How many signals still wait."""
    return len(shop.store.all(SIGNAL.name))


# --- what is counted ----------------------------------------------------------------------------


def test_views_and_pieces_reach_the_catalogue(shop: Shop) -> None:
    """Each view for one, each piece by its number; then nothing waits any more."""
    shop.send(viewed("c-1"), viewed("c-2"), bought("c-3", "o-1", 4))

    assert demand_of(shop.store) == (0.0, 0.0)
    assert stream(shop.store) == []
    assert demand_of(shop.store) == (2.0, 4.0)
    assert left(shop) == 0


def test_a_repeated_message_or_order_counts_once(shop: Shop) -> None:
    """By message id, and an order by its own id, whichever message brings it."""
    once = viewed("c-1", message_id="m-1")
    shop.send(once, once, bought("c-1", "o-1", 2, message_id="m-2"))
    shop.send(once, bought("c-1", "o-1", 2, message_id="m-3"))
    shop.send(
        bought("c-1", "o-1", 2, message_id="m-4"),
        bought("c-1", "o-2", 1, message_id="m-5"),
        bought("c-1", "o-2", 1, message_id="m-6"),
    )

    stream(shop.store)

    assert demand_of(shop.store) == (1.0, 3.0)


def test_a_late_message_counts_as_of_its_moment(shop: Shop) -> None:
    """An hour ago is one half-life ago."""
    shop.send(viewed("c-1", at=NOW - 3600), viewed("c-2", at=NOW))

    stream(shop.store)

    assert demand_of(shop.store) == (1.5, 0.0)


def test_an_article_that_no_shop_spoke_of_is_not_counted(shop: Shop) -> None:
    """Whoever may send events cannot fill the catalogue with names."""
    shop.send(viewed("c-1", "nonsense"))

    assert stream(shop.store) == []
    assert article(shop.store, "nonsense") is None
    assert left(shop) == 0


def test_a_policy_without_demand_leaves_no_trace() -> None:
    """Nobody pays for what nobody asks; what the stock system says is taken in all the same."""
    shop = Shop()
    shop.send(viewed("c-1"), bought("c-2", "o-1", 1))
    assert left(shop) == 0

    shop.send(stock(base_price=20, stock=3))
    assert left(shop) == 1


# --- what the shop states -----------------------------------------------------------------------


def test_inventory_is_about_an_article_and_nobody(shop: Shop) -> None:
    """No profile, although the sender put an id beside it; a repetition is a duplicate."""
    said = track("Inventory Updated", visitor="warehouse", sku="MUG", stock=7, floor_price=16)

    told = shop.send(said, stock("CUP", base_price=9, title="Cup"))
    again = shop.send(said)
    stream(shop.store)

    assert (told["accepted"], told["rejected"], again["duplicates"]) == (2, [], 1)
    assert shop.store.all("facts") == {}
    mug, cup = article(shop.store, "MUG"), article(shop.store, "CUP")
    assert mug is not None
    assert (mug.stock, mug.floor_minor, mug.base_price_minor) == (7, 1600, 2000)
    assert cup is not None
    assert (cup.base_price_minor, cup.title, cup.prices) == (900, "Cup", ((NOW, 900),))


def test_the_later_statement_stands_whatever_arrives_first(shop: Shop) -> None:
    """In one batch, in two, or the other way round."""
    shop.send(stock(stock=5, at=NOW - 10), stock(stock=9, at=NOW - 20))
    stream(shop.store)
    shop.send(stock(stock=7, at=NOW - 15))
    stream(shop.store)

    product = article(shop.store, "MUG")
    assert product is not None
    assert product.stock == 5


def test_an_article_without_a_price_waits_a_month_for_it(shop: Shop) -> None:
    """A stock for what no file has named yet is kept, and forgotten if none ever does."""
    shop.send(stock("CUP", stock=5))
    stream(shop.store)
    key = PRODUCT.key("CUP")

    assert shop.store.read([key], now=NOW + 29 * 86_400).value(key) is not None
    assert shop.store.read([key], now=NOW + 31 * 86_400).value(key) is None


def test_a_wrong_statement_is_refused_and_its_neighbours_count(shop: Shop) -> None:
    """202, with place and property."""
    told = shop.send(stock(stock=-1), stock(stock=3))

    assert told["accepted"] == 1
    assert told["rejected"][0]["index"] == 0
    assert told["rejected"][0]["errors"][0]["field"] == "properties.stock"


# --- what it costs ------------------------------------------------------------------------------


def test_counting_costs_a_request_no_call(shop: Shop) -> None:
    """One read and one write, as without it; the signal is one item more in the write."""
    shop.send(viewed("c-1"))

    assert shop.calls() == [("read", 5), ("write", 4)]


def test_what_a_stock_system_says_at_once_is_written_at_once(shop: Shop) -> None:
    """Ninety statements go together in two writes at most, not in ninety."""
    shop.send(*(stock(f"A{nth}", base_price=1, stock=nth) for nth in range(90)))

    names = shop.call_names()
    assert names.count("write") <= 2
    assert stream(shop.store) == []
    assert len([key for key in shop.store.keys() if key.kind is PRODUCT]) == 91


def test_a_hot_article_costs_one_read_and_one_write_a_batch(shop: Shop) -> None:
    """Forty requests about one mug, and the catalogue is written once."""
    for nth in range(40):
        shop.send(viewed(f"c-{nth}"))
    shop.calls()

    assert stream(shop.store) == []
    assert shop.calls() == [("read", 1), ("write", 41)]
    assert demand_of(shop.store) == (40.0, 0.0)


def test_a_big_order_fits_its_transactions(shop: Shop) -> None:
    """Three hundred articles in one order: several signals, none too large for one write."""
    products = [{"sku": f"A{nth}", "quantity": 1, "price": 1} for nth in range(300)]
    shop.send(*(stock(f"A{nth}", base_price=1) for nth in range(100)))
    stream(shop.store)
    shop.send(order_event("Order Completed", "o-1", total=300, user="c-1", products=products))

    assert left(shop) == 6
    assert stream(shop.store) == []
    assert [demand_of(shop.store, f"A{nth}")[1] for nth in (0, 99)] == [1.0, 1.0]


# --- what breaks --------------------------------------------------------------------------------


def test_a_batch_that_comes_again_counts_nothing_twice(shop: Shop) -> None:
    """The stream is at least once; the signal is taken off by the write that counts it."""
    shop.send(viewed("c-1"), viewed("c-2"))
    records = stream_records(shop.store)

    for _ in range(3):
        assert stream(shop.store, records) == []

    assert demand_of(shop.store) == (2.0, 0.0)


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
def test_a_write_that_breaks_is_repeated_and_counts_once(shop: Shop, applied: bool) -> None:
    """Whether the lost reply was of a write or of none, the batch comes again and adds up."""
    shop.send(viewed("c-1"), viewed("c-2"))
    records = stream_records(shop.store)
    fail = shop.store.lose_replies if applied else shop.store.fail_writes
    fail(Transient("no answer"))

    again = stream(shop.store, records)
    assert again == [records[0]["dynamodb"]["SequenceNumber"]]
    assert stream(shop.store, records) == []

    assert demand_of(shop.store) == (2.0, 0.0)
    assert left(shop) == 0


def test_another_shard_that_counts_meanwhile_is_no_loss(shop: Shop) -> None:
    """Two batches about one mug at the same time: whoever loses the race reads again."""
    shop.send(viewed("c-1"))
    mine = stream_records(shop.store)
    shop.send(viewed("c-2"))
    theirs = [
        each
        for each in stream_records(shop.store)
        if each["dynamodb"]["Keys"] != mine[0]["dynamodb"]["Keys"]
    ]

    def meanwhile() -> None:
        assert stream(shop.store, theirs) == []

    shop.store.before_write = meanwhile

    assert stream(shop.store, mine) == []

    assert demand_of(shop.store) == (2.0, 0.0)


def test_a_file_that_is_dropped_meanwhile_keeps_what_was_counted(shop: Shop) -> None:
    """Catalogue and counters lie in one item, and neither takes the other's away."""
    shop.send(viewed("c-1"))
    stream(shop.store)
    found = shop.store.read([PRODUCT.key("MUG")], now=NOW).stored(PRODUCT.key("MUG"))
    assert found is not None
    changed = replace(found.value, stock=4)
    shop.send(viewed("c-2"))

    def meanwhile() -> None:
        put = Put(PRODUCT.key("MUG"), changed, AtVersion(found.version))
        shop.store.write([put], now=NOW)

    shop.store.before_write = meanwhile
    assert stream(shop.store) == []

    product = article(shop.store, "MUG")
    assert product is not None
    assert (product.stock, demand_of(shop.store)) == (4, (2.0, 0.0))


def test_an_unreadable_signal_holds_up_no_other(shop: Shop) -> None:
    """The good ones count; the stream begins again at the bad one, and parks it in the end."""
    shop.send(viewed("c-1"))
    shop.send(viewed("c-2"))
    records = stream_records(shop.store)
    records[0]["dynamodb"]["NewImage"]["body"] = {"S": "not JSON"}

    assert stream(shop.store, records) == [records[0]["dynamodb"]["SequenceNumber"]]
    assert demand_of(shop.store) == (1.0, 0.0)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 7200)), min_size=1, max_size=15),
    st.data(),
)
def test_any_batches_in_any_order_with_any_faults_add_up(
    views: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Shuffled, repeated, cut and broken, the decayed sum is that of the views themselves."""
    shop = shop_with(MUG)
    for nth, (count, ago) in enumerate(views):
        shop.send(*(viewed(f"c-{nth}-{each}", at=NOW - ago) for each in range(count)))
    records = data.draw(st.permutations(stream_records(shop.store)), label="arrival")
    waiting = [*records, *records[: len(records) // 2]]
    while waiting:
        size = data.draw(st.integers(1, len(waiting)), label="size")
        batch, waiting = waiting[:size], waiting[size:]
        fault = data.draw(st.sampled_from(["none", "lost", "failed"]), label="fault")
        if fault != "none":
            lose = shop.store.lose_replies if fault == "lost" else shop.store.fail_writes
            lose(Transient("no answer"))
        if stream(shop.store, batch):
            waiting = [*batch, *waiting]
        shop.store.mend()
    expected = sum(count * 0.5 ** (ago / 3600) for count, ago in views)
    latest = max(NOW - ago for _, ago in views)

    assert left(shop) == 0
    assert demand_of(shop.store)[0] * 0.5 ** ((NOW - latest) / 3600) == pytest.approx(expected)


# --- what a price makes of it -------------------------------------------------------------------


def price(front: Storefront, **said: Any) -> tuple[int, list[str]]:
    """The unit price of a mug, and the rules that moved it."""
    [line] = front.decide(**said)["price"]["lines"]
    return line["unit_price"], line.get("adjustments", [])


def post(front: Storefront, *messages: Raw) -> None:
    """Events by way of the API, and the stream behind it."""
    assert front.call("POST", "/v1/events", body={"batch": list(messages)}).status_code == 202
    assert stream(front.store) == []


def test_the_next_decision_follows_demand_and_stock(front: Storefront) -> None:
    """As soon as the stream has been read: the discount shrinks, and comes back as demand goes."""
    assert price(front, session_id="s-1") == (1900, [])

    post(front, *(viewed(f"v-{nth}") for nth in range(25)))
    assert price(front, session_id="s-2") == (1960, ["wanted"])

    post(front, stock(stock=2))
    assert price(front, session_id="s-3") == (2000, ["wanted", "scarce"])

    front.clock.forward(3600)
    assert price(front, session_id="s-4") == (1980, ["scarce"])


def test_signals_cost_a_decision_nothing(front: Storefront) -> None:
    """They are in the article's own item: still one read and one write."""
    post(front, *(viewed(f"v-{nth}") for nth in range(25)))
    front.calls()

    front.decide()

    assert front.calls() == ["read", "write"]


def test_a_decision_by_demand_re_executes(front: Storefront) -> None:
    """The record holds the counters that it was made from."""
    post(front, *(viewed(f"v-{nth}") for nth in range(25)), stock(stock=1))
    answer = front.decide()

    replayed = front.call("POST", f"/v1/decisions/{answer['decision_id']}/replay").json_body
    shown = front.call("GET", f"/v1/decisions/{answer['decision_id']}").json_body

    assert replayed == {"same": True, "differences": []}
    [product] = shown["situation"]["products"]
    assert product["demand"]["views"] == 25
    [line] = shown["decision"]["lines"]
    assert line["adjustments"] == ["wanted", "scarce"]
