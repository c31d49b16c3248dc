# Every command sets up what it needs, in this folder and the ordinary caches of pip, Maven and npm.
# Names of files are relative, so that the folder itself may have spaces in its name.

PYTHON ?= python3
DATA ?= .data
TESTS ?=
JOBS ?= 3
UPGRADE ?=
SEED ?=
MINUTES ?= 5
RATE ?= 300
PARTS ?=
KEER ?= 3
SIZES ?=

# The line is many processes: where the environment forbids bytecode, each would compile all of our modules anew.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv/bin/python
KLAAR := .venv/klaar
PIN := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo up test test-unit test-long chaos lint bench docs lock clean java

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'DATA=dir is the data folder of demo and up (default: .data). TESTS="..." are words for pytest, JOBS=n its processes.'

demo: java $(KLAAR) ## start the stack, stream 20 000 messages through it, check every count, stop
	@$(VENV) -m voorbeeld.demo --data "$(DATA)"

up: java $(KLAAR) ## start the stack and stay until Ctrl-C; its addresses are in .data/endpoints.json
	@$(VENV) -m cli.main up --data "$(DATA)"

test: java $(KLAAR) ## the whole suite, real Kafka and real ClickHouse engine included
	@$(VENV) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 25 $(TESTS)

test-long: java $(KLAAR) ## the line against the model of the rules: 3000 random cases, which takes most of an hour
	@BERICHTENSTROOM_GEVALLEN=$${BERICHTENSTROOM_GEVALLEN:-3000} $(VENV) -m pytest $(or $(TESTS),tests/model/test_lijn_en_model.py)

chaos: java $(KLAAR) ## kill, stop and cut everything while batches stream, then count: SEED=n MINUTES=n RATE=messages a second
	@$(VENV) -m tests.chaos $(if $(SEED),--seed $(SEED)) --minutes $(MINUTES) --rate $(RATE)

test-unit: $(KLAAR) ## the tests that need no Kafka and no ClickHouse
	@$(VENV) -m pytest $(or $(TESTS),tests/unit)

lint: $(KLAAR) ## style, types, and the direction of imports
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@$(VENV) -m mypy
	@.venv/bin/lint-imports --no-logo

bench: java .venv-bench/klaar ## the line beside others that do the same, in rounds: PARTS="lijn xml" KEER=rounds SIZES="name=number ..."
	@$(MAKE) --no-print-directory .venv-bench-quix/klaar || echo 'make: quixstreams is not installed: the bench goes on without it' >&2
	@.venv-bench/bin/python -m bench $(PARTS) --keer $(KEER) $(if $(SIZES),--maat $(SIZES))

define maak-venv
@echo 'Setting up $(@D)'
@$(PYTHON) -m venv --clear $(@D)
@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
@touch $@
endef

.venv-bench/klaar: bench/requirements.txt
	$(maak-venv)

# quixstreams asks for other versions than the line has.
.venv-bench-quix/klaar: bench/requirements-quix.txt
	$(maak-venv)

docs: $(KLAAR) ## write the generated half of docs/events.md, docs/settings.md and docs/rules.md again
	@for page in events:avro.beschrijf settings:streams.beschrijf rules:tests.regeltabel; do \
	  { sed '/^<!-- made by/q' "docs/$${page%:*}.md" && echo && $(VENV) -m "$${page#*:}"; } > .venv/page.md \
	    && cp .venv/page.md "docs/$${page%:*}.md" || exit 1; done

lock: $(KLAAR) ## pin the requirements again after a change of pyproject.toml; UPGRADE=--upgrade takes the newest
	@$(VENV) -m uv pip compile $(PIN) $(UPGRADE) pyproject.toml --output-file requirements.txt > /dev/null
	@$(VENV) -m uv pip compile $(PIN) $(UPGRADE) --extra dev pyproject.toml --output-file requirements-dev.txt > /dev/null
	@$(VENV) -m uv pip compile $(PIN) $(UPGRADE) --constraint requirements.txt pyproject.toml bench/requirements.in \
	  --output-file bench/requirements.txt > /dev/null
	@$(VENV) -m uv pip compile $(PIN) $(UPGRADE) bench/requirements-quix.in --output-file bench/requirements-quix.txt > /dev/null

clean: ## remove what make built; data folders stay
	@rm -rf .venv .venv-bench .venv-bench-quix .build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(KLAAR): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	  echo 'make: needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv; another: make PYTHON=python3.12)' >&2; exit 1; }
	@echo 'Setting up .venv'
	@rm -f $(KLAAR)
	@$(PYTHON) -m venv .venv
	@$(VENV) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(VENV) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(KLAAR)

java:
	@"$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | awk -F '[".]' '/ version "/ { found = $$2 } END { exit !(found >= 17) }' || { \
	  echo 'make: the embedded Kafka needs a JDK 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)' >&2; exit 1; }
	@mvn --version > /dev/null 2>&1 || { \
	  echo 'make: the embedded Kafka needs Maven to fetch its jars (Debian: apt-get install maven)' >&2; exit 1; }
