"""The composition root: the packaged documents, the fallback when the model is refused, ids."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib import clock, telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.api import views
from chalicelib.aws.clients import Clients
from chalicelib.aws.within import StoreWithin
from chalicelib.core.errors import Broken
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import FACTS
from chalicelib.core.storage import Put
from chalicelib.core.subject import customer
from chalicelib.documents import Documents
from chalicelib.flows.big_begin import Division
from chalicelib.flows.steady_store import Timing
from ops.places import ROOT
from ops.staging import shipped_data
from tests.step_functions import Engine
from tests.storefront import SETTINGS, Storefront, open_storefront
from tests.unit.core.situations import NOW, buyer


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """Policies and model as they lie in the deployed package: canonical JSON, and what ships."""
    for name, data in shipped_data(ROOT, "portable"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return tmp_path


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1."""
    with open_storefront() as storefront:
        yield storefront


def start(shop: Storefront, root: Path) -> wiring.Parts:
    """Start a process whose documents lie in a directory."""
    parts = wiring.Parts(SETTINGS, shop.adapters(), Documents(root), clock=shop.clock)
    wiring.install(parts)
    telemetry.configure(stage="test", stream=shop.log)
    return parts


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_written_at_the_rate_that_is_set(shop: Storefront) -> None:
    """And a round that met other writers waits by the same clock and chance."""
    slept: list[float] = []
    settings = SETTINGS.model_copy(update={"drop_writes_per_second": 50})
    timing = Timing(lambda: 0.0, slept.append, lambda: 1.0)
    parts = wiring.Parts(settings, shop.adapters(), Documents(ROOT), shop.clock, timing=timing)
    ports = parts.drop_parts()["ports"]

    for number in range(150):
        person = customer(f"new-{number}")
        ports.store.write([Put(FACTS.key(person.key), Facts(person))], now=NOW)
    ports.back_off(2)

    assert slept == [pytest.approx(n / 50) for n in range(1, 51)] + [0.2]


def test_a_file_is_read_in_the_memory_that_is_set(shop: Storefront) -> None:
    """The rest spills to the function's disk."""
    settings = SETTINGS.model_copy(update={"drop_memory_mb": 128})

    parts = wiring.Parts(settings, shop.adapters(), Documents(ROOT), shop.clock)

    assert parts.drop_parts()["ports"].limits.memory_mb == 128
    assert parts.big_parts()["ports"].limits.memory_mb == 128


@pytest.mark.parametrize(("at_once", "divides"), [(0, False), (4, True)])
def test_files_are_divided_where_somebody_has_said_so(
    shop: Storefront, at_once: int, divides: bool
) -> None:
    """With a machine and a number of parts at once; sizes follow the threshold either way."""
    settings = SETTINGS.model_copy(
        update={"parts_at_once": at_once, "divide_above_bytes": 8_000_000}
    )
    machine = Engine({}, lambda _event: None, lambda _bucket, _key: b"")
    adapters = replace(shop.adapters(), divided_drops=machine)

    ports = wiring.Parts(settings, adapters, Documents(ROOT), shop.clock).drop_parts()["ports"]

    assert ports.division == (Division(machine, 8_000_000) if divides else None)
    assert ports.sizes.part_bytes == 1_000_000


def test_a_stage_without_its_queue_says_which_setting_simulations_need(shop: Storefront) -> None:
    """A message that comes nevertheless fails by name, and nothing else does."""
    adapters = replace(shop.adapters(), drops_queue=None)
    parts = wiring.Parts(SETTINGS, adapters, Documents(ROOT), shop.clock)

    with pytest.raises(Broken, match="SEGUE_DROPS_QUEUE_URL"):
        parts.simulation_ports()
    assert parts.drop_parts()["ports"].results_bucket == SETTINGS.results_bucket
    assert aws_adapters(SETTINGS, Clients()).drops_queue is None


def test_without_a_machine_nothing_is_divided(shop: Storefront) -> None:
    """A stage on this machine has none."""
    settings = SETTINGS.model_copy(update={"parts_at_once": 4})

    parts = wiring.Parts(settings, shop.adapters(), Documents(ROOT), shop.clock)

    assert parts.drop_parts()["ports"].division is None


def test_parts_that_run_at_once_share_a_rate(shop: Storefront) -> None:
    """Each of four writes a fourth of what one function would."""
    settings = SETTINGS.model_copy(update={"drop_writes_per_second": 50, "parts_at_once": 4})
    slept: list[float] = []
    timing = Timing(lambda: 0.0, slept.append, lambda: 1.0)
    parts = wiring.Parts(settings, shop.adapters(), Documents(ROOT), shop.clock, timing=timing)
    ports = parts.big_parts()["ports"]

    for number in range(150):
        person = customer(f"new-{number}")
        ports.store.write([Put(FACTS.key(person.key), Facts(person))], now=NOW)

    assert slept == [pytest.approx(n / 12.5) for n in range(1, 51)]


def test_the_sweep_knows_how_many_mails_may_leave(shop: Storefront) -> None:
    """So that it brings back as many."""
    settings = SETTINGS.model_copy(update={"mails_per_second": 14})

    ports = wiring.Parts(settings, shop.adapters(), Documents(ROOT), shop.clock).sweep_ports()

    assert ports.mails_per_second == 14


# --- documents ----------------------------------------------------------------------------------


def test_the_package_and_the_checkout_hold_the_same_documents(packaged: Path) -> None:
    """TOML and canonical JSON give one document, so records name one hash."""
    written, shipped = Documents(ROOT), Documents(packaged)

    assert shipped.policy("default") == written.policy("default")
    assert shipped.policy("default").hash == written.policy("default").hash
    assert shipped.jurisdictions == written.jurisdictions
    assert shipped.jurisdictions_hash == written.jurisdictions_hash


def test_mappings_are_found_by_name_alone(packaged: Path) -> None:
    """A name from an object's key never becomes a path to anything else."""
    (packaged / "policies" / "mappings").mkdir(exist_ok=True)
    (packaged / "policies" / "mappings" / "erp.json").write_text('{"delimiter": ";"}')
    documents = Documents(packaged)

    assert documents.mapping("erp") == {"delimiter": ";"}
    for name in ("absent", "../default", "erp.json", "", "\x00"):
        assert documents.mapping(name) is None


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("default.json", None, "neither in the checkout nor in the package"),
        ("default.json", "{", "is unreadable"),
        ("default.json", '{"schema_version": 2}', "schema_version"),
        ("jurisdictions.json", '{"rows": [{"id": "x"}]}', "rows.0.countries"),
    ],
)
def test_a_damaged_document_is_broken_and_named(
    packaged: Path, file: str, text: str | None, problem: str
) -> None:
    """Without its policy or its law Segue does not decide, and says which file is at fault."""
    path = packaged / "policies" / file
    path.unlink() if text is None else path.write_text(text)
    documents = Documents(packaged)

    with pytest.raises(Broken, match=problem):
        _ = (documents.policy("default"), documents.jurisdictions)


# --- the model ----------------------------------------------------------------------------------


def test_the_packaged_model_serves(shop: Storefront, packaged: Path) -> None:
    """Health names model, policy and law as they were packaged; nothing is marked as fallback."""
    parts = start(shop, packaged)

    health = shop.call("GET", "/v1/health", scopes=None).json_body

    views.Health.model_validate(health)
    assert health["status"] == "ok"
    assert health["model"]["name"] == SETTINGS.model
    assert health["model"]["engine"] == "portable"
    assert health["policy"] == parts.rules.policy.hash
    assert shop.calls() == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: shutil.rmtree(folder), "FileMissing"),
        (lambda folder: (folder / "model.json").write_text("{}"), "HashMismatch"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "ManifestUnusable"),
    ],
    ids=["missing", "altered", "manifest"],
)
def test_a_refused_model_leaves_the_rules_to_serve(
    shop: Storefront, packaged: Path, damage: object, reason: str
) -> None:
    """The scorecard answers, every answer says fallback, and the alarm names the reason."""
    assert callable(damage)
    damage(packaged / "model_artifacts" / SETTINGS.model)
    start(shop, packaged)
    shop.knows(buyer(silent_days=10, orders=8))

    answer = shop.decide()
    health = shop.call("GET", "/v1/health", scopes=None).json_body

    assert answer["segment"] == {"name": "champions", "model": "scorecard", "fallback": True}
    assert answer["scores"] == {"churn": None, "expected_orders": None}
    assert health["status"] == "fallback"
    assert (health["model"]["engine"], health["model"]["rejected"]) == ("scorecard", reason)
    [alarm] = shop.lines("model_rejected")
    assert (alarm["error"], alarm["ModelRejected"]) == (reason, 1)


def test_a_fallback_decision_decides_again_to_the_same(shop: Storefront, packaged: Path) -> None:
    """The scorecard is part of the policy, so its decisions replay as well."""
    shutil.rmtree(packaged / "model_artifacts")
    start(shop, packaged)

    answer = shop.decide()
    replayed = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay").json_body

    assert replayed == {"same": True, "differences": []}


# --- challengers --------------------------------------------------------------------------------

DUEL: dict[str, Any] = {
    "id": "duel",
    "salt": "duel-1",
    "arms": [
        {"id": "champion", "share_percent": 50},
        {"id": "new", "share_percent": 50, "policy": "new"},
    ],
}


def with_challenger(packaged: Path, challenger: dict[str, object] | None) -> None:
    """Let the packaged policy name another one, which differs from it in this."""
    policies = packaged / "policies"
    champion = json.loads((policies / "default.json").read_text())
    champion["holdout"]["share_percent"] = 0
    if challenger is not None:
        (policies / "new.json").write_text(json.dumps({**champion, **challenger}))
    (policies / "default.json").write_text(json.dumps({**champion, "experiments": [DUEL]}))


def test_a_challenger_that_ships_decides_for_its_arm(shop: Storefront, packaged: Path) -> None:
    """Answer, record and replay name the policy that decided; each customer stays with it."""
    with_challenger(packaged, {"offers_per_decision": 0})
    parts = start(shop, packaged)
    challenger = parts.rules.challengers.policies["new"]

    deciding = {"champion": parts.rules.policy.hash, "new": challenger.hash}
    for n in range(20):
        shop.knows(buyer(silent_days=100, subject=customer(f"c-{n}")))
        answer = shop.decide(f"c-{n}")
        arm = answer["experiment"]["arms"]["duel"]
        assert answer["policy"] == deciding[arm]
        assert bool(answer["offers"]) is (arm == "champion")
        told = shop.call("GET", f"/v1/decisions/{answer['decision_id']}").json_body
        assert (told["policy"], told["champion"]) == (deciding[arm], deciding["champion"])
        assert told["decision"]["exposures"] == ["duel"]
        replayed = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay").json_body
        assert replayed == {"same": True, "differences": []}

    assert parts.rulebook.rules_for(parts.rules.policy).challengers.policies.keys() == {"new"}


def test_a_session_stays_with_what_its_policy_showed(shop: Storefront, packaged: Path) -> None:
    """Whoever asks again in a session is answered word for word, by champion and challenger."""
    with_challenger(packaged, {"quote_valid_seconds": 600})
    start(shop, packaged)

    arms = set()
    for n in range(12):
        shop.knows(buyer(silent_days=100, subject=customer(f"c-{n}")))
        first, again = shop.decide(f"c-{n}"), shop.decide(f"c-{n}")
        assert (first["offers"], first) == (again["offers"], again)
        arms.add(first["experiment"]["arms"]["duel"])
    assert arms == {"champion", "new"}
    assert len(shop.lines("exposed")) == 12


@pytest.mark.parametrize(
    ("challenger", "problem"),
    [
        (None, "neither in the checkout nor in the package"),
        ({"surprise": 1}, "surprise"),
        ({"default_currency": "EUR"}, "cannot decide beside default: default_currency"),
    ],
    ids=["missing", "invalid", "unfit"],
)
def test_a_refused_challenger_leaves_the_champion_to_decide(
    shop: Storefront, packaged: Path, challenger: dict[str, object] | None, problem: str
) -> None:
    """Every checkout is answered, the answer says that the arm does not run, and an alarm rings."""
    with_challenger(packaged, challenger)
    parts = start(shop, packaged)

    answers = [shop.decide(f"c-{n}")["experiment"] for n in range(20)]

    assert {"holdout": False, "arms": {"duel": "champion"}} in answers
    assert {"holdout": False, "arms": {}, "not_running": ["duel"]} in answers
    assert all(each.get("not_running") or each["arms"] for each in answers)
    [alarm] = shop.lines("policy_rejected")
    assert (alarm["PolicyRejected"], alarm["policy"], alarm["error"]) == (1, "new", "Broken")
    assert problem in alarm["reason"]
    assert parts.rules.policy.replacing


def test_a_refused_model_of_an_arm_rings_too(shop: Storefront, packaged: Path) -> None:
    """By its name, while the packaged model serves."""
    champion = json.loads((packaged / "policies" / "default.json").read_text())
    arms = [DUEL["arms"][0], {"id": "new", "share_percent": 50, "model": "absent-1.0.0"}]
    champion["experiments"] = [{**DUEL, "arms": arms}]
    (packaged / "policies" / "default.json").write_text(json.dumps(champion))
    parts = start(shop, packaged)

    assert shop.decide()["segment"]["model"] == SETTINGS.model
    [alarm] = shop.lines("model_rejected")
    assert (alarm["ModelRejected"], alarm["model"]) == (1, "absent-1.0.0")
    assert parts.rejected is None


# --- the process --------------------------------------------------------------------------------


def test_the_environment_is_read_once_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are made on first use and kept."""
    for name, value in SETTINGS.model_dump(exclude_none=True).items():
        monkeypatch.setenv(f"SEGUE_{name.upper()}", str(value))
    wiring.install(None)
    try:
        assert wiring.parts() is wiring.parts()
        assert wiring.parts().settings == SETTINGS
    finally:
        wiring.install(None)
        telemetry.configure(stage="unset")


def test_ids_are_unique_and_sort_by_time() -> None:
    """Even a thousand at once."""
    ids = [wiring.new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert {len(each) for each in ids} == {32}
    assert [each[:12] for each in ids] == sorted(each[:12] for each in ids)


def test_the_clock_is_whole_seconds() -> None:
    """Instants are integers everywhere."""
    assert isinstance(clock.now(), int)
    assert clock.now() > NOW - 10 * 365 * 86_400


def test_each_checkout_has_a_deadline_of_its_own() -> None:
    """Access opened later has more time left."""
    adapters = aws_adapters(SETTINGS, Clients(region="us-east-1"))
    first, second = adapters.hurried().store, adapters.hurried().store

    assert isinstance(first, StoreWithin)
    assert isinstance(second, StoreWithin)
    assert second.deadline.at_seconds > first.deadline.at_seconds


def test_lines_name_the_stage_of_the_settings() -> None:
    """A function's metrics count for its own deployment."""
    out = io.StringIO()
    with open_storefront() as shop:
        shop.start()
        telemetry.configure(stage=wiring.parts().settings.stage, stream=out)
        telemetry.log_event("hello")

    assert json.loads(out.getvalue())["stage"] == "test"
