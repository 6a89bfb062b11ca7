"""The normal form of tables: what must be equal however work was interrupted, repeated or mixed.

Left out are versions, and who did something when and how often: owners, leases, attempts, the
moments of planning and moving, the ids of provider and request. What remains is what people,
shops and auditors see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.core.canonical import canonical_json
from chalicelib.core.kinds import EFFECT
from tests.crash.world import World

WORK = {
    "owner", "lease_until", "attempts", "posts", "not_before", "changed_at", "planned_at",
    "correlation_id", "provider_id", "issued_at", "expires_at", "until", "at", "as_of", "dry_until",
    "review_at", "decided_at", "quote_expires_at", "queued_at", "queued_times", "redeemed_at",
    "segment_at",
}  # fmt: skip
# "review_at" is found by a search that begins at the moment of the work.
# A transition and a code are told apart by the version that they followed.
NAMES = {"effect_id", "decision_id", "code"}
# What was planned, whatever became of it.
PLANS = WORK | NAMES | {"state", "reason", "heard"}


def tables(world: World, kinds: Iterable[str], *, names: bool = True) -> dict[str, Any]:
    """What is stored of these kinds; ``names`` False leaves out ids made from versions.

    ``plan`` is what effects were planned, and ``results`` what a drop left in its bucket.
    """
    left_out = WORK if names else WORK | NAMES
    form: dict[str, Any] = {}
    values = world.store.values()
    for kind in kinds:
        if kind == "allotment":
            form[kind] = _totals(world)
            continue
        if kind == "record":  # scores are those of the moment; what follows from them is compared
            form[kind] = sorted(world.store.all(kind))
            continue
        if kind == "results":
            keys = [key for key in world.objects.keys(kind) if key.endswith(".csv")]
            form[kind] = {key: world.objects.body(kind, key).decode() for key in keys}
            continue
        if kind == "plan":
            plans = [_without(EFFECT.to_json(e), PLANS) for e in world.store.all("effect").values()]
            form[kind] = sorted(map(canonical_json, plans))
            continue
        found = {
            key.partition: _without(key.kind.to_json(value), left_out)
            for key, value in values.items()
            if key.kind.name == kind
        }
        form[kind] = found if names else sorted(canonical_json(v) for v in found.values())
    return form


def mails(world: World) -> Counter[tuple[str, str]]:
    """The mails that the provider took: to whom, for which action."""
    return Counter((mail.recipient, mail.tags["action"]) for mail in world.ses.sent)


def _totals(world: World) -> dict[str, list[int]]:
    """What all shards of a budget hold and have spent; which shard it was is chance."""
    totals: dict[str, list[int]] = {}
    for name, shard in world.store.all("allotment").items():
        total = totals.setdefault(name.rpartition("#")[0], [0, 0])
        total[0] += shard.held
        total[1] += shard.spent
    return totals


def _without(value: Any, left_out: set[str]) -> Any:
    if isinstance(value, Mapping) and "fields" in value:  # what was said, each with its moment
        return {name: stamped[0] for name, stamped in value["fields"].items()}
    if (
        isinstance(value, Mapping) and "withdrawn" in value
    ):  # what was refused, each with its moment
        return {name: sorted(said) for name, said in value.items()}
    if isinstance(value, Mapping):
        return {k: _without(v, left_out) for k, v in value.items() if k not in left_out}
    if isinstance(value, list | tuple):
        return [_without(each, left_out) for each in value]
    return value


def difference(was: Any, now: Any, path: str = "") -> str | None:
    """Where two normal forms first differ, None when they are equal."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for name in sorted({*was, *now}, key=str):
            if name not in was or name not in now:
                return f"{path}/{name} is {'new' if name in now else 'missing'}"
            if (found := difference(was[name], now[name], f"{path}/{name}")) is not None:
                return found
        return None
    return None if was == now else f"{path}: {was!r} → {now!r}"
