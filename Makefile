# Every target works from a fresh clone, in any order, without a terminal, and calls what it needs first.
SHELL := /bin/bash
# Where images set it, every command compiled all that it imports anew: tests that start a thousand took twice as long.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
DEVICE ?= virt
BIN := .venv/bin
READY := .venv/.ready
SUITE ?= bookworm
PYTEST := $(BIN)/pytest -n $(or $(WORKERS),auto) --maxprocesses 8

.PHONY: help setup packages demo check lint test test-fresh test-long test-wheels test-gpu test-board test-powercut golden bench bench-wheels bench-deploy bench-engine bench-runtime bench-sandbox soak soak-cameras lock lock-debian clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##|^[a-z-]+: *##' Makefile | sed -E 's/:[^#]*## ?/\t/' | expand -t 12

setup: $(READY)  ## .venv with edgekit and its tools, from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory needs-setup
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements.lock)"
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

needs-%:         # what a job takes of this machine: in one list, before anything else
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "error: edgekit needs Python 3.10 or newer: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m edgekit.host.preflight $*

packages: needs-test  ## Debian packages for all that needs no hardware, through apt

demo: needs-demo-$(if $(filter host,$(DEVICE)),host,virt)$(if $(filter gate-watch,$(RECIPE)),-gate-watch) setup  ## the main job, on the virtual board or with DEVICE=host on this machine; RECIPE=gate-watch: cameras and a broker
	@$(BIN)/edgekit demo --device $(DEVICE) $(if $(RECIPE),--recipe $(RECIPE))

lint: setup      ## format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/vermin -qq --no-tips --eval-annotations --violations -t=3.10- --exclude tomllib edgekit tests cross recipes
	$(BIN)/lint-imports --no-logo

check: needs-check lint  ## lint, and the tests that take seconds, on every core; WORKERS=0: one after the other
	$(PYTEST) tests/unit tests/golden tests/boundaries

test: needs-test setup  ## what needs no hardware, on every core, but for what takes long; WORKERS=0: one after the other
	$(PYTEST)

test-long: needs-test setup  ## what make test leaves out for its time: the other variants, on every core
	$(PYTEST) -m "long and not board" tests/integration tests/unit

test-fresh:      ## the demo and make check on a bare Debian: SUITE=bookworm|trixie JOBS="demo check"; root
	@$(PYTHON) tests/fresh/fresh.py $(SUITE) $(JOBS)

test-wheels: needs-test setup  ## cross-build many packages from source, and try them under emulation
	$(BIN)/pytest -m wheels tests/integration/test_wheel_packages.py

test-gpu: setup  ## on a machine with TensorRT, pycuda and a GPU; PYTHON=python3 of a Jetson has the first
	$(BIN)/pytest -m gpu -rs -s tests/gpu

test-board: needs-test setup  ## all that the virtual board shows, with what takes many minutes of it
	$(BIN)/pytest -m board -n 0 tests/board

test-powercut: needs-test setup  ## the power of a virtual board goes at N=50 random moments; SEED=NUMBER: the same ones again, FROM=25: from that one on
	POWERCUTS=$(or $(N),50) SEED=$(SEED) FROM=$(FROM) $(BIN)/pytest -n 0 -s tests/board/test_on_powercuts.py

golden: setup    ## rewrite tests/golden from what edgekit says now
	$(BIN)/edgekit schema --out edgekit/schema/json
	EDGEKIT_GOLDEN=write $(BIN)/pytest tests/golden

bench: setup     ## figures as ratios; JSON=FILE writes them too
	$(BIN)/python tests/bench/bench.py $(if $(JSON),--json $(JSON))

bench-wheels: needs-test setup  ## cross-building against emulation; root, as it needs a chroot
	$(BIN)/python tests/bench/bench_wheels.py $(if $(JSON),--json $(JSON))

bench-engine: setup  ## engines: time, memory, agreement and size on each backend; int8 on this CPU
	$(BIN)/python tests/bench/bench_engine.py $(if $(JSON),--json $(JSON))

bench-runtime: needs-bench-runtime setup  ## the worker against its peers; ONLY="cameras pipeline" ROUNDS=7
	$(BIN)/python tests/bench/bench_runtime.py $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON))

bench-deploy: needs-bench-deploy setup  ## what a deployment sends and costs, against scp; ONLY="numpy push" ROUNDS=5
	$(BIN)/python tests/bench/bench_deploy.py $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON))

bench-sandbox: setup  ## what the build sandbox costs for each program
	$(BIN)/python tests/bench/bench_sandbox.py $(if $(JSON),--json $(JSON))

soak: needs-soak setup  ## four RTSP cameras with cuts for HOURS=1: no memory, picture, thread or descriptor may leak
	$(BIN)/python tests/soak/soak.py --cameras 4 --minutes $$(awk 'BEGIN { print 60 * $(or $(HOURS),1) }') $(if $(JSON),--json $(JSON))

soak-cameras: needs-soak setup  ## eight RTSP cameras that fail in every way for MINUTES=10; nothing may grow, no secret be told
	$(BIN)/python tests/soak/soak.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(JSON),--json $(JSON))

lock: setup      ## resolve requirements.lock anew
	$(BIN)/uv pip compile -q --no-config --universal --python-version 3.10 --generate-hashes --extra dev --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" -o requirements.lock pyproject.toml

lock-debian: setup  ## resolve cross/debian/*.lock anew
	for suite in bookworm bullseye bookworm-amd64; do \
	  cross/debian/lock.sh $$suite $$($(BIN)/python cross/debian/names.py $$suite) > .lock-debian && \
	  mv .lock-debian cross/debian/$$suite.lock || exit 1; done

clean:           ## forget .venv and out/
	rm -rf .venv out
