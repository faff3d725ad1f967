# The commands of the house. `make` alone lists them; each one first installs what it needs.
.DEFAULT_GOAL := help
.PHONY: help run test check fuzz bench screenshots lock clean

VENV := .venv
INTEROP := .venv-interop
PY := $(VENV)/bin/python
# Debian keeps mosquitto in /usr/sbin, which is not on everybody's PATH.
IN_VENV := PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin"
ARGS ?=
PYTEST_FLAGS ?=
# Two processes share the suite file by file, in the order of tests/conftest.py; ARGS='-n 0' for one alone.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

help:  ## list these commands
	@echo "Postern: visitor access control for gates. The commands:"
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo "Options reach the program by ARGS, for example:  make run ARGS='--seed 7 --for 150'"
	@echo "Another Python (3.11 or later):                  make run PYTHON=python3.12"

run: $(VENV)/.sim  ## a whole simulated site on this machine, with its pages; Ctrl-C ends it
	@$(IN_VENV) exec $(PY) -m simulators.cli run $(ARGS)

test: $(VENV)/.dev $(INTEROP)/.interop  ## the whole test suite, with a list of what was skipped and why
	@scripts/system_packages.sh
	@$(IN_VENV) exec $(PY) -m pytest $(WORKERS) $(PYTEST_FLAGS) $(ARGS)

check: $(VENV)/.dev  ## format, lint, types, import contracts, dead code, locks, house rules
	@$(IN_VENV) exec $(PY) -m scripts.check

fuzz: $(VENV)/.dev  ## a million inputs each to the readers of passes, claims and bundles, led by coverage (ARGS='--runs N --seed N')
	@$(IN_VENV) $(PY) -m tests.fuzz.claims $(ARGS)
	@$(IN_VENV) $(PY) -m tests.fuzz.bundles $(ARGS)
	@$(IN_VENV) exec $(PY) -m tests.fuzz.parser $(ARGS)

bench: $(VENV)/.dev  ## benchmarks as ratios: a table, and build/bench.json (QR_REAL=DIR adds photographs)
	@$(IN_VENV) exec $(PY) -m benchmarks $(if $(QR_REAL),--qr-real "$(QR_REAL)") $(ARGS)

screenshots: $(VENV)/.dev  ## every screen in both languages as PNG
	@scripts/system_packages.sh
	@$(IN_VENV) exec $(PY) -m simulators.screenshots $(ARGS)

lock: $(VENV)/.dev  ## compile requirements/*.txt again from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(PY) -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/uv.txt
	@exec $(PY) -m scripts.locks compile $(ARGS)

clean:  ## remove what was installed and built here: .venv, .venv-interop, build, caches, demo data
	rm -rf $(VENV) $(INTEROP) build demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

INSTALL := scripts/install.sh scripts/apt.sh requirements/build.txt pyproject.toml

$(VENV)/.sim: requirements/sim.txt $(INSTALL)
	@scripts/install.sh sim
	@touch $@

# The set for development holds that of the demo.
$(VENV)/.dev: requirements/dev.txt requirements/sim.txt $(INSTALL)
	@scripts/install.sh dev
	@touch $(VENV)/.sim $@

$(INTEROP)/.interop: requirements/interop.txt scripts/install.sh scripts/apt.sh requirements/build.txt
	@scripts/install.sh interop
	@touch $@
