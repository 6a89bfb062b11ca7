"""Lawful prices: every row × channel × side of each date, and nothing read after an opt-out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.core.decide import decide
from chalicelib.core.facts import Facts
from chalicelib.core.shown_prices import ShownPrice
from chalicelib.core.situation import (
    Context,
    Held,
    KeptPrice,
    Line,
    Permissions,
    Situation,
)
from ops.lawful import (
    MUG,
    WHO,
    Lapsing,
    Ordered,
    Shown,
    asked_by_law,
    edges,
    flags,
    lapsed,
    moments,
    places,
    rules_of,
    written_rows,
)
from ops.prove import BoundBroken, Figures, within

OPT_OUTS: tuple[tuple[Mapping[str, Any], Mapping[str, bool]], ...] = (
    ({"pricing_opt_out": True}, {}),
    ({"gpc": True}, {}),
    ({}, {"personalised_pricing": False}),
    ({}, {"profiling": False}),
)


def figures() -> Figures:
    """Ask in every channel; raises BoundBroken naming the first place where the law is not kept."""
    cases = exact = 0
    first = ""
    for shown, asked, texts in _asked():
        for channel, kept in _channels(shown, asked, texts):
            cases += 1
            exact += kept
            if not kept:
                first = first or f"{channel} at {shown.place} on {shown.at}: not {asked}"
    read, tried = features_read_on_opt_out()
    measured: Figures = {
        "law_cases": cases,
        "law_exact_percent": 100 * exact / cases,
        "law_opt_outs": tried,
        "law_features_read_on_opt_out": read,
        "law_features_read_otherwise": features_read({}, {}),  # or the spy would be blind
    }
    if first:
        raise BoundBroken(first, measured)
    within(measured, "law_features_read_on_opt_out", at_most=0)
    within(measured, "law_features_read_otherwise", at_least=1)
    return measured


def _asked() -> Iterator[tuple[Shown, Ordered, frozenset[str]]]:
    rows = written_rows()
    texts = frozenset(row["disclosure"] for row in rows if row.get("disclosure"))
    for table in flags(rows):
        rules = rules_of(table)
        for row in table:
            for day in edges(row):
                for place in places(row):
                    asked = asked_by_law(table, place, day)
                    for at in moments(day):
                        yield Shown(place, at, rules, {}), asked, texts


def _channels(shown: Shown, asked: Ordered, texts: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Whether each channel shows what the law asks, word for word, and no other text of its."""
    price = shown.answer["price"]
    [line] = price["lines"]
    is_personal = line["unit_price"] < line["base_unit_price"] and price["tier"] != "base"
    exact = tuple(price["disclosures"]) == asked.texts and price["mode"] == asked.mode
    yield "api", exact and is_personal == asked.is_personal
    letter = shown.mail
    if letter is None:
        # Under a ban nothing of the customer is known that an offer could be made for.
        yield "mail", asked.mode == "ban"
        return
    for channel, found in (("text", letter.lines), ("html", letter.pieces)):
        told = tuple(each for each in found if each in texts)
        yield channel, told == asked.texts and asked.mode != "ban"


class Watched(Facts):
    """Facts that count how often anything of them is read, whose they are aside."""

    __slots__ = ()
    reads = 0

    def __getattribute__(self, name: str) -> Any:
        """Count, and let it be read."""
        if not name.startswith("_") and name != "subject":
            Watched.reads += 1
        return super().__getattribute__(name)


class WatchedMapping(dict[str, Any]):
    """What a shop or a session knows of a person, by name; counts how often it is read."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        """Count, and let it be read."""
        WatchedMapping.reads += 1
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Count, and let it be read."""
        WatchedMapping.reads += 1
        return super().get(name, default)

    def keys(self) -> Any:
        """Count, and let it be read."""
        WatchedMapping.reads += 1
        return super().keys()


def features_read(signals: Mapping[str, Any], consents: Mapping[str, bool]) -> int:
    """How much of the customer scorer and pricing are given in a decision, in reads."""
    [table, *_] = flags(written_rows())
    rules = rules_of(table)
    scorer = Lapsing()
    at = moments(written_rows()[0]["since"].replace(year=2026))[0]
    Watched.reads = WatchedMapping.reads = 0
    situation = Situation(
        decision_id="d_1",
        subject=WHO,
        placement="checkout",
        as_of=at,
        context=Context("US", "TX", "USD", "s-1", **signals),
        lines=(Line("MUG", 1, 2000),),
        facts=lapsed(at, kind=Watched),
        permissions=Permissions(consents=consents),
        products={"MUG": MUG},
        held=Held("winback", (), WatchedMapping(MUG=KeptPrice(2000, 1900))),
        supplied=WatchedMapping(shoe_size=43.0),
        shown=WatchedMapping(MUG=ShownPrice(2000, 0, 1900, 1900, 1900)),
    )
    decision = decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=scorer,
        code_for=lambda effect: effect[:12],
    )
    [line] = decision.lines
    if (signals or consents) and line.unit_price_minor != MUG.base_price_minor:
        raise ValueError("the published price does not stand after an opt-out")
    return Watched.reads + WatchedMapping.reads + scorer.asked


def features_read_on_opt_out() -> tuple[int, int]:
    """Reads over every kind of opt-out, and how many kinds there were."""
    return sum(features_read(*each) for each in OPT_OUTS), len(OPT_OUTS)
