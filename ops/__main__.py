"""Run ``python -m ops COMMAND``."""

from ops.cli import main

main(prog_name="python -m ops")
