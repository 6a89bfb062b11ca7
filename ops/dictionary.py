"""Make the dictionary that decision records and sessions are packed with.

python -m ops dictionary --out chalicelib/aws/dictionaries/2.txt

It decides invented situations by the shipped documents, and keeps those records that the others
say least of: each time the one that the dictionary so far packs worst. No person's data is in it.
One in use must never change (see ``chalicelib/aws/packed.py``): a new one is a new file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from chalicelib.core.answer import build_answer
from chalicelib.core.canonical import canonical_json
from chalicelib.core.decide import Decision, decide
from chalicelib.core.price_tiers import BASE_TIER
from chalicelib.core.record import build_record
from chalicelib.core.rules import Rules
from chalicelib.core.seal import sealed
from chalicelib.core.sessions import Session, session_to_json
from chalicelib.core.situation import Situation
from chalicelib.core.tokens import SigningKeys
from ops.simulation.chance import situations
from ops.stage_rules import packaged_rules

MOST_BYTES = 8_192
_POOL = 400
_SEED = 1
_KEYS = SigningKeys("k", {"k": b"k" * 32}, b"a" * 32, b"c" * 32)


@click.command()
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A new file."
)
def dictionary(out: Path) -> None:
    """Make a dictionary for packed bodies; ends with one line of JSON."""
    if out.exists():
        raise click.BadParameter(f"{out} is in use and must stay as it is", param_hint="--out")
    pool = bodies()
    made = build_dictionary(pool[: _POOL // 2])
    out.write_bytes(made)
    others = pool[_POOL // 2 :]
    click.echo(
        json.dumps(
            {
                "bytes": len(made),
                "mean_bytes_without": round(_mean(len(zlib.compress(each)) for each in others)),
                "mean_bytes_with": round(_mean(_packed_bytes(each, made) for each in others)),
            }
        )
    )


def bodies() -> list[bytes]:
    """Records and sessions of invented situations, as storage has them; the same ones each time."""
    rules = packaged_rules()
    made = []
    for number, situation in enumerate(situations(rules.policy, count=_POOL, seed=_SEED)):
        made.append(_session(situation, rules) if number % 4 == 0 else _record(situation, rules))
    return made


def build_dictionary(pool: Sequence[bytes]) -> bytes:
    """Take the bodies that say most that is new, until ``MOST_BYTES``; the first taken come last.

    zlib finds what stands near the end most cheaply, and the first ones are the most typical.
    """
    left, taken = list(pool), b""
    while left:
        worst = max(left, key=lambda body: (_packed_bytes(body, taken), body))
        left.remove(worst)
        if len(worst) + len(taken) <= MOST_BYTES:
            taken = worst + taken
    return taken


def _packed_bytes(body: bytes, dictionary: bytes) -> int:
    packing = zlib.compressobj(zdict=dictionary) if dictionary else zlib.compressobj()
    return len(packing.compress(body) + packing.flush())


def _record(situation: Situation, rules: Rules) -> bytes:
    record = build_record(
        situation,
        _decided(situation, rules),
        policy=rules.policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id=situation.decision_id.removeprefix("d_"),
    )
    return canonical_json(sealed(record, _KEYS))


def _session(situation: Situation, rules: Rules) -> bytes:
    decision = _decided(situation, rules)
    answer = build_answer(situation, decision, policy_hash=rules.policy.hash, keys=_KEYS)
    tier = None if decision.tier == BASE_TIER else decision.tier
    known = situation.facts is not None
    shown = Session(situation.decision_id, "", tier, decision.offers, answer, known)
    return canonical_json(session_to_json(shown))


def _decided(situation: Situation, rules: Rules) -> Decision:
    return decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: effect[:12].upper(),
    )


def _mean(sizes: Iterable[int]) -> float:
    known = list(sizes)
    return sum(known) / len(known)
