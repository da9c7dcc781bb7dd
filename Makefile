# Every target works on a fresh clone: the environment is made, and refreshed when its files change.
#   make benchmark PROFILE=full ARGS="--root DIR"     further words for the command
#   make test VENV=                                   use the active environment as it is
#   make table ROOT=DIR COMMIT=NAME TABLE=DIR         the published table, in a clone under TABLE
VENV ?= .venv
PYTHON ?= python3
PROFILE ?= quick
ARGS ?=
TABLE ?= $(HOME)/table
COMMIT ?= HEAD
COMMIT_HASH = $(shell git rev-parse --quiet --verify --short=8 "$(COMMIT)^{commit}")
PLACE = $(abspath $(TABLE))/$(COMMIT_HASH)

ifeq ($(strip $(VENV)),)
  BIN :=
  STAMP :=
else
  BIN := $(VENV)/bin/
  STAMP := $(VENV)/.stamp
endif

.DEFAULT_GOAL := help
.PHONY: help setup peers benchmark table table-publish table-times test test-slow test-all test-slurm test-faults test-browser test-networks lint clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(STAMP) ## make the virtual environment (.venv) with everything in it

peers: ## make .venv-peers with the libraries of `lit-sentiment speed --against`, which are no dependencies
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r experiments/speed/peers/requirements.txt

benchmark: $(STAMP) ## train and compare (PROFILE=quick, gpu, full or smoke), show the table, write report.html
	$(BIN)lit-sentiment benchmark --profile $(PROFILE) $(ARGS)

table: ## train every published row in a clean clone of COMMIT under TABLE (ROOT=DIR: the corpus); goes on where it stopped
	@test -n "$(ROOT)" || { echo "ROOT is empty; name the official corpus: make table ROOT=DIR" >&2; exit 1; }
	@test -n "$(COMMIT_HASH)" || { echo "COMMIT is $(COMMIT), which is no commit" >&2; exit 1; }
	@test -z "$$(git status --porcelain)" || echo "note: uncommitted changes are not part of the table"
	@test -d "$(PLACE)/clone" || { rm -rf "$(PLACE)/new" \
	  && git clone --quiet --no-checkout . "$(PLACE)/new" \
	  && git -C "$(PLACE)/new" checkout --quiet --detach $(COMMIT_HASH) \
	  && mv "$(PLACE)/new" "$(PLACE)/clone"; }
	$(MAKE) -C "$(PLACE)/clone" setup VENV="$(PLACE)/.venv"
	nice -n 19 "$(PLACE)/.venv/bin/lit-sentiment" table "$(PLACE)" $(ARGS) --root "$(ROOT)"

table-publish: $(STAMP) ## copy what the clones in TABLE have finished to experiments/results
	$(BIN)lit-sentiment table-publish $(dir $(wildcard $(abspath $(TABLE))/*/clone))

table-times: $(STAMP) ## measure the times of published rows, one experiment at a time with nothing beside it (ROOT=DIR)
	@test -n "$(ROOT)" || { echo "ROOT is empty; name the official corpus: make table-times ROOT=DIR" >&2; exit 1; }
	$(BIN)lit-sentiment table-times $(ARGS) --root "$(ROOT)"

test: lint ## lint and all fast offline tests
	$(BIN)python -m pytest -n 2 --dist loadgroup $(ARGS)

test-slow: $(STAMP) ## the few tests that take long (marker `slow`)
	$(BIN)python -m pytest -n 2 --dist loadgroup -m slow $(ARGS)

test-all: lint ## every test that needs no further machine, the slow ones too
	$(BIN)python -m pytest -n 2 --dist loadgroup -m "not slurm and not faults and not browser and not networks" $(ARGS)

test-slurm: $(STAMP) ## the Slurm launcher on a real Slurm of one node (root; apt-get install slurm-wlm munge)
	$(BIN)python -m pytest -m slurm -n 2 --dist load tests/slurm $(ARGS)

test-faults: $(STAMP) ## a hundred times kill -9, each followed by a resume (about 15 minutes)
	$(BIN)python -m pytest -m faults tests/faults -s $(ARGS)

test-browser: $(STAMP) ## report and playground in a real browser (needs Chromium, or CHROMIUM=PROGRAM)
	$(BIN)python -c "import playwright" 2>/dev/null || $(BIN)python -m pip install --quiet -c constraints.txt 'playwright>=1.50'
	$(BIN)python -m pytest -m browser tests/experiments/report tests/experiments/playground $(ARGS)

test-networks: $(STAMP) ## networks with their defaults on users' corpora (about half an hour)
	$(BIN)python -m pytest -m networks -n 2 tests/own_data $(ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	$(BIN)mypy

clean: ## remove the environment and caches, never runs or data
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build *.egg-info

# torch is installed first and pinned: a looser requirement could fetch another build of it.
ifneq ($(STAMP),)
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …")'
	test -x $(BIN)python || $(PYTHON) -m venv $(VENV)
	$(BIN)python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
endif
