"""From a decision to writes: one plain put when nothing is planned, everything or nothing else."""

from __future__ import annotations

from typing import Any

from chalicelib.core.decide import decide
from chalicelib.core.offers import coupon_code
from chalicelib.core.plan import decision_writes
from chalicelib.core.record import build_record
from chalicelib.core.situation import Permissions, Situation
from chalicelib.core.storage import ABSENT, Put, Write
from tests.unit.core.situations import KEYS, NOW, buyer, checkout, shipped_rules

RULES = shipped_rules()


def written(situation: Situation, *, address_hash: str | None = None) -> tuple[Write, ...]:
    """Decide by the shipped rules and plan."""
    decision = decide(
        situation,
        policy=RULES.policy,
        jurisdictions=RULES.jurisdictions,
        scorer=RULES.scorer,
        code_for=lambda effect: coupon_code(KEYS.coupon_secret, effect_id=effect),
    )
    record = build_record(
        situation,
        decision,
        policy=RULES.policy,
        jurisdictions_hash=RULES.jurisdictions_hash,
        scorer=RULES.scorer,
        correlation_id="r-1",
    )
    return decision_writes(
        situation,
        decision,
        record,
        policy=RULES.policy,
        correlation_id="r-1",
        now=NOW,
        address_hash=address_hash,
    )


def kinds(writes: tuple[Write, ...]) -> list[str]:
    """What is written, by kind."""
    return [write.key.kind.name for write in writes]


def test_a_decision_that_plans_nothing_is_one_put() -> None:
    """Unknown customer: the record alone."""
    assert kinds(written(checkout(facts=None))) == ["record"]


def test_a_code_is_stored_with_the_decision_that_shows_it() -> None:
    """Coupon, the one live code, its effect and the tier's effect stand or fall with the record."""
    writes = written(checkout())

    assert kinds(writes) == ["record", "coupon", "live", "effect", "effect"]
    assert all(isinstance(write, Put) and write.condition == ABSENT for write in writes)


def test_a_mail_marks_its_address_as_contacted() -> None:
    """The frequency marker is written where absent, so two accounts cannot both be mailed."""
    agreed = Permissions(has_address=True, consents={"marketing_email": True})
    batch = checkout(placement="batch", lines=(), permissions=agreed)

    writes = written(batch, address_hash="h")

    assert kinds(writes) == ["record", "coupon", "live", "effect", "effect", "contacted"]
    marker: Any = writes[-1]
    assert marker.key.partition == "t#h#winback-10"
    assert marker.expires_at == NOW + 60 * 86_400


def test_no_effect_holds_personal_data() -> None:
    """Effects carry ids, codes and texts of the policy; the worker looks the address up."""
    agreed = Permissions(has_address=True, consents={"marketing_email": True})
    batch = checkout(placement="batch", lines=(), permissions=agreed, facts=buyer(silent_days=90))

    for write in written(batch, address_hash="h"):
        assert isinstance(write, Put)
        assert "@" not in str(write.key.kind.to_json(write.value))
