from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.core.canonical import canonical_json, sha256_hex
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import format_instant
from chalicelib.core.money import format_amount
from chalicelib.scoring.load import load_scorer
from chalicelib.scoring.manifest import read_manifest, shipped_files
from ops.datasets import Purchase, read_cdnow
from ops.evaluate import measure, summary
from ops.train import train
from tests.trained import artefact, trained

SHIPPED = Path(__file__).parents[2] / "model_artifacts" / "cdnow-1.0.0"
FAST = ("--segments", "5", "--bootstraps", "2")


@pytest.fixture(scope="module")
def from_the_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CDNOW, trained by the command in a process of its own, with another hash seed."""
    out = tmp_path_factory.mktemp("artefacts")
    subprocess.run(  # noqa: S603 - our own interpreter and fixed arguments
        [sys.executable, "-m", "ops", "train", *FAST, "--out", str(out)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    return out / "cdnow-1.0.0"


def test_two_runs_write_the_same_bytes(from_the_command: Path) -> None:
    """Document, card, report, manifest and pickle do not depend on the run."""
    for file in ("model.json", "MODEL_CARD.md", "report.html", "manifest.json", "model.joblib"):
        assert (from_the_command / file).read_bytes() == (artefact() / file).read_bytes(), file


def test_the_manifest_fits_the_files() -> None:
    """Every file is listed with its hash; the portable package leaves pickle and report out."""
    manifest = read_manifest(artefact())

    on_disk = {path.name for path in artefact().iterdir()} - {"manifest.json"}
    assert set(manifest.files) == on_disk
    assert all(
        sha256_hex((artefact() / file).read_bytes()) == entry.sha256
        for file, entry in manifest.files.items()
    )
    assert manifest.features == FEATURE_NAMES
    assert set(shipped_files(manifest, engine="portable")) == {
        "manifest.json",
        "model.json",
        "MODEL_CARD.md",
    }
    assert "model.joblib" in shipped_files(manifest, engine="joblib")


def test_the_document_is_canonical_and_has_no_wall_clock() -> None:
    """Sorted keys, no spaces, and the data's end as the moment of training."""
    data = (artefact() / "model.json").read_bytes()
    document = json.loads(data)

    assert data == canonical_json(document)
    assert document["trained_at"] == "1998-07-01T00:00:00Z"
    assert document["data"]["orders"] == 6_919


def test_the_self_test_covers_what_goes_wrong() -> None:
    """Each segment, each feature missing, all missing, and the largest numbers on both sides."""
    cases = json.loads((artefact() / "model.json").read_bytes())["self_test"]
    rows = [case["features"] for case in cases]

    assert {case["segment"] for case in cases} == {a.name for a in trained().names}
    assert all(any(row[i] is None for row in rows) for i in range(len(FEATURE_NAMES)))
    assert [None] * 5 in rows
    assert [1e308] * 5 in rows
    assert [-1e308] * 5 in rows


def test_the_model_that_ships_is_the_one_that_is_trained() -> None:
    """The committed document has the parameters of a training today, ten digits of each."""
    shipped = json.loads((SHIPPED / "model.json").read_bytes())
    fresh = json.loads((artefact() / "model.json").read_bytes())

    assert load_scorer("portable", SHIPPED).segments == load_scorer("portable", artefact()).segments
    for part in ("mean", "scale"):
        assert shipped["parameters"][part] == pytest.approx(fresh["parameters"][part], rel=1e-8)
    for given, expected in zip(
        shipped["parameters"]["centroids"], fresh["parameters"]["centroids"], strict=True
    ):
        assert given == pytest.approx(expected, rel=1e-7)
    for head in ("churn", "expected_orders"):
        assert shipped["parameters"][head]["coefficients"] == pytest.approx(
            fresh["parameters"][head]["coefficients"], rel=1e-7
        )
    assert shipped["data"] == fresh["data"]


def test_the_report_needs_no_network_and_shows_four_plots() -> None:
    """One page with inline drawings: nothing is fetched, and no id stands in two of them."""
    page = (artefact() / "report.html").read_text()

    assert page.count("<svg ") == 4
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert "<script" not in page
    ids = re.findall(r'<clipPath id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_card_names_every_segment_and_every_limit() -> None:
    """A person reads there what the segments are, how good the scores are, and where they end."""
    card = (artefact() / "MODEL_CARD.md").read_text()

    assert all(f"`{archetype.name}`" in card for archetype in trained().names)
    for heading in ("Data", "Features", "Segments", "How many", "Propensities", "Limits"):
        assert f"\n## {heading}" in card


def test_a_shops_own_orders_give_the_same_model(tmp_path: Path, from_the_command: Path) -> None:
    """CDNOW as a file with the canonical columns trains to the same parameters."""
    orders = tmp_path / "orders.csv"
    write_orders(orders, read_cdnow("sample"))
    with orders.open("a") as file:
        file.write("bad,c-1,yesterday,1,USD,1\r\n")
    command = ("--orders", str(orders), "--name", "shop", "--version", "2.1.0", *FAST)

    result = CliRunner().invoke(train, [*command, "--out", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "record 6920: ordered_at 'yesterday'" in result.output
    last = json.loads(result.output.strip().splitlines()[-1])
    assert (last["model"], last["segments"]) == ("shop-2.1.0", 5)
    own = json.loads((tmp_path / "shop-2.1.0" / "model.json").read_bytes())
    cdnow = json.loads((from_the_command / "model.json").read_bytes())
    assert own["parameters"] == cdnow["parameters"]
    assert own["data"]["source"] == "orders.csv"
    assert load_scorer("portable", tmp_path / "shop-2.1.0").name == "shop-2.1.0"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--orders", __file__), "needs a --name"),
        (("--mapping", "cdnow"), "--orders"),
        (("--name", "My Shop"), "lower case"),
        (("--version", "1.0"), "1.0.0"),
        (("--currency", "usd"), "ISO 4217"),
        (("--orders", __file__, "--name", "shop"), "must end with"),
        (("--orders", "no-such-file.csv", "--name", "shop"), "does not exist"),
    ],
)
def test_a_wrong_option_is_told(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    """The command names what is wrong and writes nothing."""
    result = CliRunner().invoke(train, [*arguments, *FAST, "--out", str(tmp_path)])

    assert result.exit_code != 0
    assert problem in result.output
    assert not list(tmp_path.iterdir())


def test_boosted_trees_are_sent_to_the_joblib_engine(tmp_path: Path) -> None:
    """The exporter names what it cannot export, says how to serve it, and writes nothing."""
    orders, out = tmp_path / "orders.csv", tmp_path / "artefacts"
    write_orders(orders, [p for p in read_cdnow("sample") if p.customer_id < "03000"])
    command = ("--orders", str(orders), "--name", "shop", "--churn", "boosted", *FAST)

    result = CliRunner().invoke(train, [*command, "--out", str(out)])

    assert result.exit_code == 1
    assert "HistGradientBoostingClassifier" in result.output
    assert "SEGUE_SCORER=joblib" in result.output
    assert not out.exists()


def test_the_figures_are_reached() -> None:
    """CDNOW: AUC at least .78 on held-out time, four segments or more with an ARI from .90."""
    figures = summary(measure(seed=1997, bootstraps=2, ks=(5,), cv_seeds=(1997,)), seed=1997)

    assert figures["cdnow_auc"] >= 0.78
    assert figures["cdnow_auc"] > figures["cdnow_auc_recency_alone"]
    assert figures["cdnow_auc_13_weeks"] >= 0.78
    assert figures["cdnow_auc_other_customers"] >= 0.76
    assert figures["segments"] >= 4
    assert figures["segment_ari"] >= 0.90


def write_orders(path: Path, purchases: Iterable[Purchase]) -> None:
    """Write purchases with the canonical columns."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("order_id", "customer_id", "ordered_at", "quantity", "currency", "amount"))
        for p in purchases:
            amount, _, currency = format_amount(p.amount_minor, currency="USD").partition(" ")
            at = format_instant(p.ordered_at)
            writer.writerow((p.order_id, p.customer_id, at, p.quantity, currency, amount))
