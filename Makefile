# `make run` and `make test` set up all that they need. `make help` lists the tasks.

VENV ?= .venv
PYTHON ?=
HOST ?= 127.0.0.1
PORT ?= 8000
# Sanitizers of `make asan`; minutes of `make soak`; seconds a target of `make fuzz`, and an attack
# of `make attacks`.
SANITIZE ?= address,undefined
MINUTES ?= 30
SECONDS_EACH ?= 60
# Applications of `make test-random`; examples of each property there and in `make test-matrix`.
APPS ?= 2000
# Cases of `make autobahn`, such as '12.*'; all without any.
CASES ?=
test-random: EXAMPLES ?= 20000
test-matrix: EXAMPLES ?= 500

export PYTHON VENV
unexport PYTHONPATH PYTHONHOME

ifeq ($(shell uname -s),Linux)
reactors := epoll poll
else
reactors := poll
endif

bin := $(VENV)/bin
python := $(bin)/python
# Suites in one process each: no order between their event loops, warning filters and patches.
python_suites := $(wildcard tests/package tests/glue tests/parity tests/conformance tests/server \
	tests/attacks tests/benchmarks tests/random_apps tests/properties)
c_directories := net glue tests examples benchmarks fuzz
shell_scripts := $(filter-out %.txt %.py,$(wildcard tools/*)) .ci/run
c_reactors := $(addprefix test-c-,$(reactors))

.PHONY: help run build test test-c $(c_reactors) test-python test-upstream test-random test-matrix \
	autobahn \
	lint asan fuzz soak attacks acceptance bench clean
.NOTPARALLEL:

help: ## list the tasks
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r task text; do \
		printf '  make %-14s %s\n' "$$task" "$$text"; done

run: ## set up, then serve examples/demo.py (HOST=127.0.0.1 PORT=8000)
	@tools/setup project
	@echo 'Serving examples/demo.py. Open http://$(HOST):$(PORT)/ (interactive docs: /docs); Ctrl-C stops.'
	@exec $(bin)/hyperfastapi run examples/demo.py --host $(HOST) --port $(PORT)

build: ## set up, then build and install the package into .venv
	@tools/setup project

test: test-c test-python test-upstream ## set up, then run every test on one Python

test-c: $(c_reactors) ## the C tests of net/, once with each readiness back end

$(c_reactors): test-c-%:
	@tools/setup c-tests
	@tools/build-c tests-$* -Dtests=true -Dreactor=$*
	$(bin)/meson test -C build/tests-$* --no-rebuild --verbose

test-python: ## the project's own Python tests
	@tools/setup tests
	failed=; for suite in $(python_suites); do \
		$(python) -m pytest $$suite || failed="$$failed $$suite"; done; \
		test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

test-upstream: ## FastAPI's and Starlette's own suites, over sockets and in process
	@tools/setup upstream
	$(python) -m tests.upstream starlette --server hyper
	$(python) -m tests.upstream fastapi --server none
	$(python) -m tests.upstream fastapi --server hyper --bare
	$(python) -m tests.upstream fastapi --server hyper

test-random: ## random applications and inputs beside FastAPI: APPS=2000 EXAMPLES=20000
	@tools/setup tests
	$(python) -m tests.random_apps --apps $(APPS)
	HYPERFASTAPI_EXAMPLES=$(EXAMPLES) $(python) -m pytest tests/properties

test-matrix: ## tests on every Python found, with the newest, the lowest and the pinned FastAPI
	@HYPERFASTAPI_EXAMPLES=$(EXAMPLES) tools/test-matrix $(python_suites)

autobahn: ## the Autobahn test suite of WebSockets, 15 minutes (needs a Python 2.7; it says how)
	@tools/setup tests
	$(python) -m tests.autobahn $(foreach case,$(CASES),"$(case)")

lint: ## formatting, static checks, types, and the rules of the layers
	@tools/setup lint
	tools/check-layers
	find $(c_directories) -name '*.[ch]' | xargs $(bin)/clang-format --dry-run -Werror
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/stubtest --mypy-config-file pyproject.toml hyperfastapi._core
	$(bin)/shellcheck $(shell_scripts)

asan: ## the C and the Python tests under sanitizers (SANITIZE=address,undefined)
	@tools/setup tests
	tools/asan $(SANITIZE) $(python_suites)

fuzz: ## each fuzz target, and a differential one, for SECONDS_EACH=60
	@tools/setup fuzz
	tools/fuzz $(SECONDS_EACH)

soak: ## mixed traffic for MINUTES=30, with clients that leave
	@tools/setup tests
	$(python) -m tests.soak --minutes $(MINUTES)

attacks: ## each HTTP/2 attack for SECONDS_EACH=60, beside a well-behaved client
	@tools/setup tests
	$(python) -m tests.attacks --seconds $(SECONDS_EACH)

acceptance: ## FastAPI's own suite over HTTP/2, certificate renewal under load, sslyze and h2spec (on PATH)
	@tools/setup upstream
	$(python) -m tests.upstream fastapi --server hyper --bare --http2
	$(python) -m tests.upstream fastapi --server hyper --http2
	$(python) -m tests.acceptance rotation
	$(python) -m tests.acceptance sslyze
	$(python) -m tests.acceptance h2spec

bench: ## the benchmarks, beside uvicorn and granian
	@tools/setup bench
	$(python) -m benchmarks

clean: ## remove the environment and everything built
	rm -rf $(VENV) build .cache .mypy_cache .ruff_cache .pytest_cache
