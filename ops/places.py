"""Where things are in a checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHALICE = ROOT / ".chalice"
RESOURCES = CHALICE / "resources.json"
OPERATING_TABLE = ROOT / "ops" / "operating_table.toml"
BUILD = ROOT / "build"
PACKAGE = BUILD / "package"
LOCAL = ROOT / ".local"
MINISTACK = ROOT / ".ministack"
SPARK = ROOT / ".spark"
MODELS = ROOT / "model_artifacts"
