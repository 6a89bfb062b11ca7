"""What one of each thing takes: a decision, an event, a mail, a row; from the rehearsal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ops.cost.measured import Measured
from ops.cost.quantities import Quantities, added, scaled, slope
from ops.cost.recorder import Invocation
from ops.cost.rehearsal import FEW, MANY, Rehearsed
from ops.cost.work import Lambdas

MB = 1_000_000
MILLION = 1_000_000
MEMORY_GB = 2.0  # of the function that takes files in
MAIL = ": mail"
LOG = "on_decided"
RESULTS_KEPT_MONTHS = 29 / 30.4
DROPS_KEPT_MONTHS = 27 / 30.4


@dataclass(frozen=True, slots=True)
class One:
    """What one of something takes.

    Attributes:
        name: of what.
        now: what is billed when it happens.
        kept: what its storage is billed until it expires.
        cpu_ms: what functions compute for it.
        calls: how many calls to AWS they make.
        of: how many were measured.
    """

    name: str
    now: Quantities
    kept: Quantities
    cpu_ms: float
    calls: float
    of: int


def decisions(rehearsed: Rehearsed, lambdas: Lambdas) -> dict[str, One]:
    """A decision that plans nothing, one that plans something, and the mean of the sample.

    What a planned effect sets off belongs to it, a mail excepted, which is billed as a mail. Each
    owns its part of the decision log, in batches as the streams bring them.
    """
    recorder = rehearsed.recorder
    asked = recorder.of("decisions")
    authorizer = recorder.of("authorizer")[-1:]
    planned = [each for each in asked if each.planned]
    warm = [each for each in recorder.of("warming up") if each.answer["statusCode"] == 200]
    set_off = [each for each in _set_off(rehearsed, "after decisions") if each.function != LOG]
    causes = len(planned) + sum(each.planned for each in warm)
    share = len(planned) / causes
    log = recorder.of("after decisions", LOG)
    logged = _one("the decision log", log, len(asked) + len(warm), lambdas)
    gateway = added(
        {"apigateway.rest_request": 1},
        scaled(lambdas.total(authorizer), 1 / lambdas.assumptions.decisions_per_authorizer_call),
    )

    def one(name: str, some: Sequence[Invocation], follows: Sequence[Invocation]) -> One:
        made = _one(name, some, len(some), lambdas, follows=follows, follow_share=share)
        return One(
            name,
            added(made.now, gateway, logged.now),
            added(made.kept, logged.kept),
            made.cpu_ms + logged.cpu_ms,
            made.calls + logged.calls,
            made.of,
        )

    plain = [each for each in asked if not each.planned]
    return {
        "plans nothing": one("a decision that plans nothing", plain, ()),
        "plans something": one("a decision with an offer or a price", planned, set_off),
        "mean": one("a decision, mean of the sample", asked, set_off),
    }


def event(rehearsed: Rehearsed, lambdas: Lambdas) -> One:
    """One message of a batch of ten: eight views, a checkout begun, an order."""
    batches = rehearsed.recorder.of("events")
    count = sum(each.records for each in batches)
    made = _one("an event", batches, count, lambdas, follows=_set_off(rehearsed, "after events"))
    gateway = {"apigateway.rest_request": len(batches) / count}
    return One("an event", added(made.now, gateway), made.kept, made.cpu_ms, made.calls, count)


def mail(rehearsed: Rehearsed, lambdas: Lambdas) -> One:
    """One mail: relayed, claimed, sent and confirmed, and what SES says of it afterwards."""
    recorder = rehearsed.recorder
    acts = [each for each in recorder.invocations if each.scene.endswith(MAIL)]
    sent = _one("a mail", acts, rehearsed.mails, lambdas)
    relays = [each for each in recorder.invocations if each.function == "on_effects_planned"]
    parts = [sent, _one("relay", relays, sum(each.records for each in relays), lambdas)]
    heard = {"send": 1.0, "delivery": 1.0, "open": lambdas.assumptions.opens_per_mail}
    told: list[One] = []
    for kind, times in heard.items():
        events = recorder.of(f"mail event: {kind}")
        made = _one(kind, events, sum(each.records for each in events), lambdas)
        published = added(made.now, {"sns.publish": 1, "sqs.request": 1})
        told.append(
            One(
                kind,
                scaled(published, times),
                scaled(made.kept, times),
                made.cpu_ms * times,
                made.calls * times,
                made.of,
            )
        )
    everything = [*parts, *told]
    return One(
        "a mail",
        added(*(each.now for each in everything)),
        added(*(each.kept for each in everything)),
        sum(each.cpu_ms for each in everything),
        sum(each.calls for each in everything),
        rehearsed.mails,
    )


def silence(rehearsed: Rehearsed, lambdas: Lambdas) -> One:
    """One customer whose silence is looked after, with what that sets off, mails excepted."""
    looked = rehearsed.recorder.of("silence")
    count = sum(each.answer["due"] for each in looked)
    return _one(
        "a review of one who is due",
        looked,
        count,
        lambdas,
        follows=_set_off(rehearsed, "after silence"),
    )


def customer_row(rehearsed: Rehearsed, lambdas: Lambdas) -> One:
    """One row of a customers file: contact, consents with their ledger, and a score."""
    scene = "customers file"
    drops = rehearsed.recorder.of(scene, "on_drop")
    return _one(
        "a row of a customers file",
        drops,
        rehearsed.rows[scene],
        lambdas,
        follows=_set_off(rehearsed, scene),
    )


def order_row(rehearsed: Rehearsed, lambdas: Lambdas) -> One:
    """One row of an orders file: folded, its customer scored and decided on, mails excepted."""
    few, many = rehearsed.recorder.of(FEW, "on_drop"), rehearsed.recorder.of(MANY, "on_drop")
    rows = rehearsed.rows[MANY] - rehearsed.rows[FEW]
    follows = _set_off(rehearsed, MANY)
    now = slope(lambdas.total(few), lambdas.total(many), rows)
    kept = slope(lambdas.kept(few), lambdas.kept(many), rows)
    own = rehearsed.rows[MANY]
    return One(
        "a row of an orders file",
        added(now, scaled(lambdas.total(follows), 1 / own)),
        added(kept, scaled(lambdas.kept(follows), 1 / own)),
        max(0.0, sum(e.cpu_ms for e in many) - sum(e.cpu_ms for e in few)) / rows,
        max(0, sum(_calls(e) for e in many) - sum(_calls(e) for e in few)) / rows,
        own,
    )


def features_file(measured: Measured, lambdas: Lambdas, *, rows: int = MILLION) -> Quantities:
    """A features file of so many rows: scored in one pass, no profile read or written."""
    seconds = rows / measured.features_file_rows_per_cpu_second.value
    row = lambdas.table["on_drop"]
    in_gb = rows * measured.features_file_row_bytes.value / 1e9
    out_gb = rows * measured.scores_file_row_bytes.value / 1e9
    architecture = lambdas.assumptions.architecture
    return {
        "lambda.request": 1,
        f"lambda.gb_second.{architecture}": seconds * row.memory_mb / 1024,
        "lambda.ephemeral_gb_second": seconds * (row.ephemeral_mb - 512) / 1024,
        "s3.put": 3,
        "s3.get": 2,
        "sqs.request": 3,
        "s3.storage_gb_month": in_gb * DROPS_KEPT_MONTHS + out_gb * RESULTS_KEPT_MONTHS,
    }


def _one(
    name: str,
    some: Sequence[Invocation],
    count: int,
    lambdas: Lambdas,
    *,
    follows: Sequence[Invocation] = (),
    follow_share: float = 1.0,
) -> One:
    if not count:
        raise ValueError(f"{name}: nothing was measured; rehearse with more customers")
    part = follow_share / count
    return One(
        name,
        added(scaled(lambdas.total(some), 1 / count), scaled(lambdas.total(follows), part)),
        added(scaled(lambdas.kept(some), 1 / count), scaled(lambdas.kept(follows), part)),
        sum(each.cpu_ms for each in some) / count + part * sum(each.cpu_ms for each in follows),
        sum(map(_calls, some)) / count + part * sum(map(_calls, follows)),
        count,
    )


def _set_off(rehearsed: Rehearsed, scene: str) -> list[Invocation]:
    """What happened in a scene by itself, without the mails and without files."""
    return [
        each
        for each in rehearsed.recorder.invocations
        if (each.scene == scene or each.scene.startswith(f"{scene}: "))
        and not each.scene.endswith(MAIL)
        and each.function != "on_drop"
    ]


def _calls(invocation: Invocation) -> int:
    return invocation.counts.calls.total()
