"""Features files: the warehouse's own figures of its customers, scored in one pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.errors import Broken
from chalicelib.core.features import Features
from chalicelib.core.scorecard import Scorecard
from chalicelib.flows.drop_report import Tally
from chalicelib.scoring.guarded import GuardedScorer
from chalicelib.scoring.portable import PortableScorer
from tests.drops import DataTeam, drop_rules, zipped
from tests.parquet_files import parquet, rows_of
from tests.unit.files.scored import HEADER, shipped_document

CSV = f"{HEADER},country\nc-1,10,3,2500.5,400,90,US\nc-2,300,1,900,300,,DE\nc-3,,,,,,\n"
PARQUET = """
    SELECT * FROM (VALUES
      ('c-1', 10, 3::BIGINT, 2500.5::DECIMAL(9, 2), 400::FLOAT, 90.0::DOUBLE, ['US']),
      ('c-2', 300, 1, 900, 300, 'nan', NULL),
      ('c-3', NULL, NULL, NULL, NULL, NULL, NULL)
    ) AS t(customer_id, recency_days, frequency, monetary_minor, tenure_days, mean_gap_days, tags)
"""
JSONL = (
    '{"customer_id":"c-1","recency_days":10,"frequency":"3","monetary_minor":2500.5,'
    '"tenure_days":400,"mean_gap_days":90}\n'
    '{"customer_id":"c-2","recency_days":300,"frequency":1,"monetary_minor":900,'
    '"tenure_days":300,"mean_gap_days":null,"others":{"a":[1]}}\n'
    '{"customer_id":"c-3"}\n'
)


def portable() -> PortableScorer:
    """The model that ships."""
    return PortableScorer(shipped_document(), sha256="0" * 64)


@pytest.fixture
def team() -> DataTeam:
    """A data team whose shop is served by the model that ships."""
    rules = drop_rules()
    guarded = GuardedScorer(portable(), Scorecard(rules.policy), report=pytest.fail)
    return DataTeam(rules=replace(rules, scorer=guarded))


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("features/a.csv", CSV.encode()),
        ("features/a.csv.gz", zipped(CSV)),
        ("features/a.csv", CSV.replace("\n", "\r\n").encode()),
        ("features/a.csv", CSV.replace("c-1", '" c-1"').replace('" c', '"c').encode()),
        ("features/a.csv", ("\ufeff" + CSV.replace("\n", "\n\n")).encode()),
        ("features/a.jsonl", JSONL.encode()),
        ("features/a.ndjson.gz", zipped(JSONL)),
        ("features/a.parquet", parquet(PARQUET)),
    ],
)
def test_every_format_gives_the_scores_of_the_scorer(team: DataTeam, key: str, body: bytes) -> None:
    """What the select says of a row is what the portable scorer says; nothing else is touched."""
    drop = team.drop(key, body)

    assert drop.state == "COMPLETE", drop.reason
    found = {row[0]: row[1:] for row in rows_of(team.result(drop, "scores.parquet"))}
    people = {
        "c-1": Features(10, 3, 2500.5, 400, 90),
        "c-2": Features(300, 1, 900, 300),
        "c-3": Features(),
    }
    assert found.keys() == people.keys()
    for customer_id, features in people.items():
        expected = portable().score(features)
        segment, churn, expected_orders = found[customer_id]
        assert segment == expected.segment
        assert churn == pytest.approx(expected.churn, rel=1e-12)
        assert expected_orders == pytest.approx(expected.expected_orders, rel=1e-12)
    assert (drop.counts["records"], drop.counts["scored"], drop.counts["rejected"]) == (3, 3, 0)
    assert (drop.counts["decisions"], drop.counts["customers"]) == (0, 0)
    assert team.store.all("facts") == team.store.all("contact") == team.store.all("decision") == {}
    assert sum(team.summary(drop)["segments"].values()) == 3
    assert team.rejects(drop) == []


def test_whoever_objected_to_profiling_is_not_scored(team: DataTeam) -> None:
    """They are counted by the reason; an empty cell objects to nothing."""
    rows = "c-1,1,1,1,1,1,false\nc-2,1,1,1,1,1,true\nc-3,1,1,1,1,1,\nc-4,1,1,1,1,1,no\n"

    drop = team.drop("features/a.csv", f"{HEADER},consent_profiling\n{rows}")

    assert [row[0] for row in rows_of(team.result(drop, "scores.parquet"))] == ["c-2", "c-3"]
    assert team.summary(drop)["unscored"] == {"no_consent_to_profiling": 2}
    assert (drop.counts["records"], drop.counts["scored"], drop.counts["unscored"]) == (4, 2, 2)


@pytest.mark.parametrize("spoil", ["", "\n", '"c-0",1,1,1,1,1,,\n"'])
def test_a_bad_row_of_a_csv_is_rejected_and_the_rest_scored(team: DataTeam, spoil: str) -> None:
    """By number, column, value and reason, whether the file can be read as it lies or not."""
    rows = [
        "c-1,1,1,1,1,1,x,true",
        "c-2,soon,1,1,x,1,x,true",
        "c-3,1,1,1,1,1,x",
        "c-4,1,1,1,1,1,x,true,more",
        ",1,1,1,1,1,x,true",
        f"{'c' * 129},1,1,1,1,1,x,true",
        "c\t7,1,1,1,1,1,x,true",
        "c-8,1,1,1,1,1,x,perhaps",
        "ü,1,1,1,1,1,x,false",
        "ü,1,1,1,1,1,x,true",
    ]
    text = f"{HEADER},more,consent_profiling\n" + "\n".join(rows) + "\n" + spoil

    drop = team.drop("features/a.csv", text)

    found = {int(row["record"]): row for row in team.rejects(drop)}
    named = {number: (row["column"], row["value"], row["reason"]) for number, row in found.items()}
    assert named[2] == ("recency_days", "soon", "must be a number such as 29.33")
    assert named[3] == ("", rows[2], "has fewer than 8 columns")
    assert named[4] == ("", rows[3], "has more than 8 columns")
    assert named[5] == ("customer_id", "", "must be a non-empty string")
    assert named[6] == ("customer_id", "c" * 129, "must be at most 128 characters")
    assert named[7] == ("customer_id", "c\t7", "must not contain control characters")
    assert named[8] == ("consent_profiling", "perhaps", "must be true or false")
    assert sorted(found)[:7] == list(range(2, 9))
    assert [row[0] for row in rows_of(team.result(drop, "scores.parquet"))][:2] == ["c-1", "ü"]
    assert drop.counts["unscored"] == 1


def test_a_bad_object_is_rejected_by_its_field(team: DataTeam) -> None:
    """No object, an object as an id, a value of another type, an id that is none."""
    rest = '"frequency":1,"monetary_minor":1,"tenure_days":1,"mean_gap_days":1'
    lines = [
        f'{{"customer_id":"c-1","recency_days":1,{rest}}}',
        "[]",
        f'{{"customer_id":{{"a":1}},"recency_days":1,{rest}}}',
        f'{{"customer_id":"c-4","recency_days":true,{rest}}}',
        f'{{"customer_id":null,"recency_days":1,{rest}}}',
        f'{{"customer_id":17,"recency_days":"1",{rest}}}',
    ]

    drop = team.drop("features/a.jsonl", "\n".join(lines))

    named = {int(row["record"]): (row["column"], row["reason"]) for row in team.rejects(drop)}
    assert named == {
        2: ("", "is not a JSON object"),
        3: ("customer_id", "must be text"),
        4: ("recency_days", "must be a number such as 29.33"),
        5: ("customer_id", "must be a non-empty string"),
    }
    assert [row[0] for row in rows_of(team.result(drop, "scores.parquet"))] == ["c-1", "17"]


@pytest.mark.parametrize(
    ("key", "body", "words"),
    [
        ("features/a.csv", CSV.replace("tenure_days", "tenure"), "lacks the column tenure_days"),
        ("features/a.csv", f"{HEADER}\n", "holds no records"),
        ("features/a.csv", f"{HEADER},frequency\nc-1,1,1,1,1,1,1\n", "names column 7 like another"),
        ("features/a.jsonl", '{"customer_id":"c-1"}\n', "has no field recency_days"),
        ("features/x/a.csv", CSV, "must be features/FILE"),
        ("features/a.parquet", "no Parquet", "is no Parquet file"),
    ],
)
def test_a_useless_features_file_is_rejected_whole(
    team: DataTeam, key: str, body: str, words: str
) -> None:
    """The reason names the column; nothing is scored."""
    drop = team.drop(key, body)

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)
    assert drop.counts["records"] == 0


def test_without_a_portable_model_rows_are_scored_one_by_one() -> None:
    """The scorecard gives the same file without propensities, and the summary says so."""
    rules = drop_rules()
    team = DataTeam(rules=replace(rules, scorer=Scorecard(rules.policy)))

    drop = team.drop("features/a.csv", CSV + '"=1,2",1,1,1,1,1,\nbad,x,1,1,1,1,\n')

    scorecard = Scorecard(rules.policy)
    expected = [
        ("c-1", scorecard.score(Features(10, 3, 2500.5, 400, 90)).segment, None, None),
        ("c-2", scorecard.score(Features(300, 1, 900, 300)).segment, None, None),
        ("c-3", scorecard.score(Features()).segment, None, None),
        ("=1,2", scorecard.score(Features(1, 1, 1, 1, 1)).segment, None, None),
    ]
    assert rows_of(team.result(drop, "scores.parquet")) == expected
    assert team.summary(drop)["fallback"] is True
    assert (drop.counts["records"], drop.counts["scored"], drop.counts["rejected"]) == (5, 4, 1)


def test_records_that_do_not_add_up_are_an_alarm() -> None:
    """Every record of a features file is scored, unscored or rejected."""
    Tally(records=3, scored=2, rejected=1, per_record=True).check()

    with pytest.raises(Broken, match="3 in, 1 scored, 0 unscored, 1 rejected"):
        Tally(records=3, scored=1, rejected=1, per_record=True).check()
