"""What training knows of customers at a moment, and what it must not know yet."""

from __future__ import annotations

import numpy as np
import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.orders import Amount, OrderState, complete_order
from chalicelib.core.subject import customer
from ops.training.history import History, cdnow_history
from ops.training.segmentation import stack
from ops.training.snapshots import snapshot_moments, take_snapshots
from tests.trained import trained

QUARTER = 91 * DAY_SECONDS


def until(history: History, moment: int) -> History:
    """The history as it was known just before a moment."""
    return History(history.source, tuple(o for o in history.orders if o.at < moment))


class TestSnapshots:
    """What was known at a moment."""

    def test_features_know_only_the_orders_before_the_moment(self) -> None:
        """The features are the same whether or not the future has already happened."""
        history = cdnow_history()
        moment = Instant(history.ends_at - 2 * QUARTER)

        (hindsight,) = take_snapshots(history, [moment], horizon_days=91, currency="USD")
        (then,) = take_snapshots(until(history, moment), [moment], horizon_days=91, currency="USD")

        assert hindsight.customers == then.customers
        assert np.array_equal(hindsight.features, then.features, equal_nan=True)

    def test_labels_are_the_orders_of_the_horizon(self) -> None:
        """From the moment on and before its end, counted one by one."""
        history = cdnow_history()
        moment = Instant(history.ends_at - 3 * QUARTER)

        (snapshot,) = take_snapshots(history, [moment], horizon_days=91, currency="USD")

        counted = {c: 0 for c in snapshot.customers}
        for order in history.orders:
            if moment <= order.at < moment + QUARTER and order.customer_id in counted:
                counted[order.customer_id] += 1
        assert snapshot.orders_after is not None
        assert dict(zip(snapshot.customers, snapshot.orders_after.tolist(), strict=True)) == counted

    def test_there_is_no_label_where_the_horizon_is_not_over(self) -> None:
        """At the data's end, and a day before a whole horizon, nobody knows who will buy."""
        history = cdnow_history()
        moments = [Instant(history.ends_at), Instant(history.ends_at - QUARTER + 1)]

        snapshots = take_snapshots(history, moments, horizon_days=91, currency="USD")

        assert [snapshot.orders_after for snapshot in snapshots] == [None, None]

    def test_features_are_those_of_the_online_path(self) -> None:
        """A customer folded order by order, backwards, and described, has the same row."""
        history = cdnow_history()
        end = trained().snapshots[-1]
        for row in (0, 7, 1_000, 2_356):
            facts = Facts(customer(end.customers[row]))
            for order in reversed(history.orders):
                if order.customer_id == end.customers[row]:
                    state = complete_order(
                        OrderState(order.order_id, facts.subject.key),
                        Amount(order.at, order.amount_minor, order.currency),
                        source="test",
                    )
                    facts = recount(facts, before=None, after=state)

            described = describe(facts, as_of=end.as_of, currency="USD").as_tuple()

            expected = np.array([described], dtype=np.float64)
            assert np.array_equal(end.features[row : row + 1], expected, equal_nan=True)

    def test_moments_lie_a_horizon_apart_and_end_with_the_data(self) -> None:
        """Eighteen months hold the end and five quarters before it."""
        history = cdnow_history()

        moments = snapshot_moments(history, horizon_days=91)

        assert moments[-1] == history.ends_at
        assert np.diff(moments).tolist() == [QUARTER] * 5
        assert moments[0] >= history.starts_at + QUARTER

    def test_too_short_a_history_is_refused(self) -> None:
        """Without a horizon before and one after some moment there is no label."""
        history = cdnow_history()

        with pytest.raises(BadInput, match="needs 182"):
            snapshot_moments(until(history, history.starts_at + QUARTER), horizon_days=91)

    def test_a_customer_is_resampled_with_all_their_rows(self) -> None:
        """Every row belongs to one customer, and a customer has one row for each snapshot."""
        snapshots = trained().snapshots
        rows = stack(snapshots)
        names = [c for snapshot in snapshots for c in snapshot.customers]

        assert sorted(np.concatenate(rows.rows_by_customer)) == list(range(len(names)))
        assert all(len({names[row] for row in own}) == 1 for own in rows.rows_by_customer)
