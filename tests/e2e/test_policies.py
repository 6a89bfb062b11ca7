"""A policy's life on the packaged stack: simulated on decisions, activated by two, taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.core.policy import policy_from_toml
from ops.cli import main
from ops.key import create_key, key_store
from ops.places import ROOT
from ops.story.play import Venue, read_segments
from ops.story.script import checkout, pick_shopper
from ops.story.shop import Shop
from tests.e2e.deployed import Filled

pytestmark = pytest.mark.e2e
TEXT = (ROOT / "policies" / "default.toml").read_text()
DEEPER = TEXT.replace("discount_basis_points = 500", "discount_basis_points = 900").replace(
    "discount_basis_points = 300", "discount_basis_points = 700"
)
POLICY = policy_from_toml(TEXT)


def key_of(venue: Venue, *scopes: str) -> str:
    """A new key."""
    client = venue.session.client("dynamodb")
    store = key_store(client, control_table=venue.outputs["ControlTable"])
    return create_key(store, scopes=scopes, now=int(time.time())).text


@pytest.fixture
def packaged_again(venue: Venue) -> Iterator[None]:
    """Whatever a test activates, the packaged policy decides afterwards."""
    yield
    Shop(venue.shop.public_url, key=key_of(venue, "operate")).call(
        "POST", f"/v1/policies/{POLICY.hash}/activate"
    )


@pytest.mark.usefixtures("packaged_again")
def test_a_policy_goes_live_and_comes_back(
    venue: Venue, filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated and recorded by its author, activated by another, obeyed and undone at once."""
    segments = read_segments(venue, filled.drops[-1].drop_id)
    shopper = pick_shopper(filled.seed.contacts, segments, policy=POLICY, region="NY")
    new = tmp_path / "new.toml"
    new.write_text(DEEPER)
    url = venue.shop.public_url
    author, reviewer = key_of(venue, "operate"), key_of(venue, "operate")
    monkeypatch.setenv("SEGUE_API_KEY", author)

    def asked(session_id: str) -> tuple[int, str]:
        request = checkout(
            shopper.customer_id, country="US", region="NY", session_id=f"policies-{session_id}"
        )
        answer = venue.shop.decide(request).body
        return answer["price"]["lines"][0]["unit_price"], answer["policy"]

    before = asked("before")
    posted = Shop(url, key=author).call(
        "POST", "/v1/policies", body=policy_from_toml(DEEPER).model_dump(mode="json")
    )
    path = f"/v1/policies/{posted.body['hash']}/activate"
    unseen = Shop(url, key=reviewer).call("POST", path)
    simulated = CliRunner().invoke(
        main,
        [
            "simulate",
            *("--policy", str(new), "--on", "decisions", "--stage", "dev"),
            *("--endpoint-url", venue.endpoint_url, "--record", url, "--no-plots"),
        ],
    )
    assert simulated.exit_code == 0, simulated.output
    figures = json.loads(simulated.output.splitlines()[-1])
    alone = Shop(url, key=author).call("POST", path)
    together = Shop(url, key=reviewer).call("POST", path)
    live = asked("live")
    back = Shop(url, key=author).call("POST", f"/v1/policies/{POLICY.hash}/activate")
    after = asked("after")

    assert (posted.status, posted.body["hash"]) == (201, figures["policy"])
    assert (unseen.status, unseen.body["reason"]) == (409, "not_simulated")
    assert figures["cases"] > 0
    assert 0 < figures["changed"] <= figures["cases"]
    assert (alone.status, alone.body["reason"]) == (409, "own_policy")
    assert (together.status, together.body["agreed"]) == (200, True)
    assert (live[1], live[0] < before[0]) == (figures["policy"], True)
    assert (back.status, after) == (200, before)
