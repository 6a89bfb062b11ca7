"""The chain of the consent ledger, and what is news to it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.consents import (
    Entry,
    LedgerHead,
    Statement,
    append_entry,
    entry_from_json,
    entry_to_json,
    is_intact,
)
from chalicelib.core.contact import Contact, Stamped, changed_consents
from chalicelib.core.subject import customer

STATEMENTS = st.builds(
    Statement,
    purpose=st.sampled_from(["marketing_email", "profiling"]),
    granted=st.booleans(),
    basis=st.sampled_from(["consent", "contract", None]),
    wording=st.sampled_from(["v1", None]),
    source=st.sampled_from(["form", "event", "link"]),
    said_at=st.integers(0, 9),
    address_confirmed=st.booleans(),
)
REFERENCES = st.sampled_from([None, "request-1", "drop-1"])


def chain(said: list[tuple[Statement, str | None]]) -> tuple[LedgerHead, list[Entry]]:
    """A ledger of these statements."""
    head, entries = LedgerHead(), []
    for statement, reference in said:
        head, entry = append_entry(
            head, statement, recorded_at=10, key_id=None, address_hash=None, reference=reference
        )
        entries.append(entry)
    return head, entries


@given(st.lists(st.tuples(STATEMENTS, REFERENCES), min_size=1, max_size=5), st.data())
def test_any_change_breaks_the_chain(
    said: list[tuple[Statement, str | None]], data: st.DataObject
) -> None:
    """Whole and through storage it holds; altered, swapped, cut or lengthened it does not."""
    head, entries = chain(said)
    assert is_intact(head, [entry_from_json(entry_to_json(entry)) for entry in entries])

    at = data.draw(st.integers(0, len(entries) - 1))
    altered = data.draw(
        st.sampled_from(
            [
                replace(entries[at], recorded_at=11),
                replace(entries[at], key_id="k"),
                replace(entries[at], reference="another"),
                replace(
                    entries[at],
                    statement=replace(
                        entries[at].statement, granted=not entries[at].statement.granted
                    ),
                ),
            ]
        )
    )
    assert not is_intact(head, [*entries[:at], altered, *entries[at + 1 :]])
    assert not is_intact(head, entries[:at])
    assert not is_intact(head, [*entries, entries[at]])


def test_an_entry_from_before_references_keeps_its_hash() -> None:
    """What was written down without a reference still hangs together."""
    said = Statement("marketing_email", True, "consent", "newsletter-3", "form", 1000, True)

    head, entry = append_entry(
        LedgerHead(), said, recorded_at=1010, key_id="k", address_hash="ab" * 20
    )

    assert entry.hash.startswith("sha256:e6b405af26ad5412")
    stored = entry_to_json(entry)
    del stored["reference"]
    assert is_intact(head, [entry_from_json(stored)])


def test_only_another_word_is_news() -> None:
    """First words and changed ones are; the same word said later is not."""
    ann = customer("ann")
    before = Contact(
        ann,
        {
            "consent_marketing_email": Stamped(True, 1),
            "consent_profiling": Stamped(True, 1),
            "email": Stamped("ann@example.com", 1),
        },
    )
    after = replace(
        before,
        fields={
            **before.fields,
            "consent_marketing_email": Stamped(True, 9),
            "consent_profiling": Stamped(False, 9),
            "consent_transactional": Stamped(False, 5),
            "email": Stamped("new@example.com", 9),
        },
    )

    assert changed_consents(before, after) == (
        ("transactional", Stamped(False, 5)),
        ("profiling", Stamped(False, 9)),
    )
    assert changed_consents(None, before) == (
        ("marketing_email", Stamped(True, 1)),
        ("profiling", Stamped(True, 1)),
    )
    assert changed_consents(after, after) == ()
