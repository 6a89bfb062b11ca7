"""Decision records: each re-executes to the same bytes, and any altered byte is found.

Situations of every sort are decided by the shipped policy, law and model, written down as storage
has them, read back and decided again. Then single bytes are altered: one in every record, and in
some records each byte there is.
"""

from __future__ import annotations

import json
from random import Random

from chalicelib.core.canonical import canonical_json
from chalicelib.core.decide import decide
from chalicelib.core.record import build_record, decision_to_json
from chalicelib.core.replay import reexecute
from chalicelib.core.rules import Rules
from chalicelib.core.seal import is_intact, sealed
from chalicelib.core.situation import Situation
from chalicelib.core.tokens import SigningKeys
from ops.prove import Figures, within
from ops.simulation.chance import situations
from ops.stage_rules import packaged_rules

RECORDS = 10_000
ALTERED_THROUGHOUT = 40
_SEED = 20_261_127
_KEYS = SigningKeys("k", {"k": b"k" * 32}, b"a" * 32, b"c" * 32)


def figures(count: int = RECORDS, throughout: int = ALTERED_THROUGHOUT) -> Figures:
    """Decide, write down, decide again, alter."""
    rules = packaged_rules()
    chance = Random(_SEED)  # noqa: S311  (bytes to alter, not secrets)
    same, tried, found = 0, 0, 0
    for number, situation in enumerate(situations(rules.policy, count=count, seed=_SEED)):
        stored = _written_down(situation, rules)
        same += _decided_again(stored, rules)
        everywhere = range(len(stored)) if number < throughout else [chance.randrange(len(stored))]
        for place in everywhere:
            altered = bytearray(stored)
            altered[place] ^= chance.randrange(1, 256)
            tried += 1
            found += _is_noticed(bytes(altered))
    told: Figures = {
        "records_replayed": count,
        "records_the_same": same,
        "bytes_altered": tried,
        "alterations_found": found,
    }
    within(told, "records_the_same", at_least=count)
    within(told, "alterations_found", at_least=tried)
    return told


def _written_down(situation: Situation, rules: Rules) -> bytes:
    decision = decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: effect[:12].upper(),
    )
    record = build_record(
        situation,
        decision,
        policy=rules.policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id="prove",
    )
    return canonical_json(sealed(record, _KEYS))


def _decided_again(stored: bytes, rules: Rules) -> bool:
    """Whether the outcome comes out to the byte."""
    record = json.loads(stored)
    again = decision_to_json(reexecute(record, rules=rules))
    return canonical_json(again) == canonical_json(record["decision"])


def _is_noticed(altered: bytes) -> bool:
    """Whether stored bytes are known not to be what was written: unreadable, or unsealed."""
    try:
        record = json.loads(altered)
    except ValueError:
        return True
    if not isinstance(record, dict) or not is_intact(record, _KEYS):
        return True
    return canonical_json(record) != altered
