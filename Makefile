# The interface to everything. Each target sets up what it needs by itself; all that must be there
# is Python 3.11 to 3.13, make and git. A command that measures ends with one line of JSON.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	command -v $$python && break; done)
UV_VERSION := 0.13.9

# An environment is good as long as its lock is the one that it was made from.
digest = $(shell cksum < $(1) | tr ' ' '-')
VENV := .venv/.made-from-$(call digest,requirements-dev.txt)
BENCH := .bench/.made-from-$(call digest,requirements-bench.txt)
MINISTACK := .ministack/.made-from-$(call digest,requirements-ministack.txt)
# What drives a browser is beside what tests need, in one environment: the same tests import both.
BROWSER := .venv/.browser-made-from-$(call digest,requirements-browser.txt)
SPARK := .spark/.made-from-$(call digest,requirements-spark.txt)
RUN := .venv/bin/python
# One more than there are cores: some tests wait, for a lost answer or a server's start.
TEST_WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
# Each has a stack of its own, and much of what they do is to wait for schedules.
E2E_WORKERS ?= 2
LOCKS := requirements requirements-joblib requirements-ops requirements-dev requirements-ministack \
	requirements-bench \
	requirements-browser \
	requirements-spark

.DEFAULT_GOAL := help
.PHONY: help demo demo-check local test e2e check package train evaluate bench bench-check cost prove parity spark \
	reliability crash crash-full screenshots lock clean .venv .ministack .spark .bench .browser

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | \
		awk -F ':.*## ' '{ printf "make %-12s %s\n", $$1, $$2 }'

demo: $(VENV) $(MINISTACK) ## Deploy to the local stack, seed real purchase histories, open the console with buttons
	$(RUN) -m ops demo

demo-check: $(VENV) $(MINISTACK) ## Play the demo's story without a person, press its buttons, and count
	$(RUN) -m ops demo --check

local: $(VENV) ## Serve the API on an in-process AWS with seeded data: the everyday loop
	$(RUN) -m ops local

test: $(VENV) ## Run every test that needs only Python, the long sweeps of make crash aside
	$(RUN) -m pytest -m "not e2e and not sweep and not spark" --numprocesses=$(TEST_WORKERS) --dist=loadfile

e2e: $(VENV) $(MINISTACK) $(BROWSER) ## Test the packaged template on the local stack, in a browser too
	$(RUN) -m ops chromium
	$(RUN) -m pytest -m e2e --numprocesses=$(E2E_WORKERS) --dist=loadfile

check: $(VENV) ## Lint, types, import contracts, tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	$(MAKE) test

screenshots: $(VENV) $(MINISTACK) $(BROWSER) ## Play the demo and take the pictures of docs/screenshots
	$(RUN) -m ops chromium
	$(RUN) -m ops screenshots

package: $(VENV) ## Build the deployable package in build/package and prove it
	$(RUN) -m ops package

train: $(VENV) ## Train the packaged model from the CDNOW purchase histories
	$(RUN) -m ops train

evaluate: $(VENV) ## Print the model's figures on held-out time
	$(RUN) -m ops evaluate

bench: $(VENV) $(BENCH) ## Measure Segue beside its peers, in one run
	$(RUN) -m benchmarks

bench-check: $(VENV) $(BENCH) ## The same in short, failing below benchmarks/floors.toml
	$(RUN) -m benchmarks --short --check

cost: $(VENV) ## Say what a million of each thing costs, a month of idling, and 100 million customers
	$(RUN) -m ops cost

prove: $(VENV) ## Measure the statistical figures, and fail where a bound is broken
	$(RUN) -m ops prove

parity: $(VENV) ## Score a million rows in Python, scikit-learn and DuckDB, and fail where they differ
	$(RUN) -m ops parity

spark: $(VENV) $(SPARK) ## The same with a real Spark, after its contract tests; needs Java 17 or 21
	$(RUN) -m pytest -m spark
	$(RUN) -m ops parity --spark

reliability: $(VENV) ## Compare with plain boto3 and Powertools: duplicates, losses, doubts
	$(RUN) -m ops reliability

crash: $(VENV) ## Break every call of every flow, and find every planted bug, in five minutes
	$(RUN) -m pytest -m sweep --quiet --numprocesses=auto
	$(RUN) -m tests.crash

crash-full: $(VENV) ## The same with all pairs of faults and 2,000 seeds, in half an hour
	$(RUN) -m pytest -m sweep --quiet --numprocesses=auto
	$(RUN) -m tests.crash --full

lock: $(VENV) ## Resolve the dependencies anew, with hashes, for every platform
	test -x .cache/uv/bin/uv || $(RUN) -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet uv==$(UV_VERSION)
	for name in $(LOCKS); do .cache/uv/bin/uv pip compile --quiet --universal --generate-hashes \
		--python-version 3.11 --custom-compile-command "make lock" $$name.in -o $$name.txt \
		|| exit 1; done

clean: ## Remove what was built, never the environments
	rm -rf build .local .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .chalice/deployments

.venv: $(VENV)

.ministack: $(MINISTACK)

.spark: $(SPARK)

.browser: $(BROWSER)

$(VENV):
	@test -x $(RUN) || $(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), \
		"Segue needs Python 3.11 to 3.13: make PYTHON=python3.11"'
	@echo "setting up .venv: minutes the first time, nothing afterwards"
	test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-dev.txt
	@rm -f .venv/.made-from-*
	@touch $@

$(BROWSER): | $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-browser.txt
	@rm -f .venv/.browser-made-from-*
	@touch $@

# The local stack runs functions with the interpreter of its own environment: the same minor.
$(MINISTACK): | $(VENV)
	test -x .ministack/bin/python || $(RUN) -m venv .ministack
	.ministack/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-ministack.txt
	@rm -f .ministack/.made-from-*
	@touch $@

# Spark comes as source, hundreds of megabytes of it.
$(SPARK): | $(VENV)
	test -x .spark/bin/python || $(RUN) -m venv .spark
	.spark/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-spark.txt
	@rm -f .spark/.made-from-*
	@touch $@

# What Segue is measured beside, where nothing of it can get into what ships.
.bench: $(BENCH)

$(BENCH): | $(VENV)
	test -x .bench/bin/python || $(RUN) -m venv .bench
	.bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-bench.txt
	@rm -f .bench/.made-from-*
	@touch $@
