# Everything a newcomer, an editor hook and CI call. 'make demo' and 'make test' do all the set-up there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
# Python keeps what it has compiled: otherwise every run compiles all tests anew, once for each worker.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo test check format words golden lock bench clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/base: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "om_campaigns needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev: $(VENV)/base requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

demo: $(VENV)/base ## install, then walk the starter campaigns through 120 days
	$(BIN)/om-campaigns demo

check: $(VENV)/dev ## lint, types, layers and the fast tests, under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -n 2 --dist loadfile -m 'not slow'

test: $(VENV)/dev ## lint, types, layers and every test; what is not installed is skipped by name
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -n 3 --dist loadfile

format: $(VENV)/dev ## put the code in its usual shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## every benchmark, as a table of ratios
	$(BIN)/python -m benchmarks

words: $(VENV)/dev ## take new texts of the pages into om_campaigns/web/words/en.po, to be translated there
	$(BIN)/pybabel -q extract -F om_campaigns/web/words/babel.cfg --no-location --omit-header -w 140 -o $(VENV)/words.pot om_campaigns/web/html
	$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete --omit-header -w 140 -l en -i $(VENV)/words.pot -o om_campaigns/web/words/en.po

golden: $(VENV)/dev ## keep what the demo makes now as the golden run, and print what is different
	$(BIN)/python -m tests.golden

lock: ## renew both locks (names, versions and hashes only); needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra web pyproject.toml requirements.in -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras --group dev pyproject.toml requirements.in -c requirements.lock -o requirements-dev.lock

clean: ## remove the environment and the demo
	rm -rf $(VENV) demo
