# make test    set up if needed, run the tests        make check   lint, types, layers
# make demo    set up if needed, run an example site  make clean   remove all generated files
# make test-asterisk    run the tests on a real Asterisk: needs root and Debian's packages

VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
EXTRAS ?= dev
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

unexport PYTHONDONTWRITEBYTECODE # without bytecode, each of hundreds of processes compiles again

.PHONY: setup test test-asterisk check demo clean
.DEFAULT_GOAL := test

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "floorcast needs Python 3.11 or later on the PATH" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "floorcast needs Python 3.11 or later; $(PYTHON) is older (make PYTHON=...)" >&2; exit 1; }
	@echo "setting up $(VENV) (once, about a minute) ..."
	@"$(PYTHON)" -m venv "$(VENV)" \
		|| { echo "no venv: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "installing the pinned packages ..."
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch "$(READY)"
	@echo "ready"

test: $(READY)
	@"$(BIN)/python" -m pytest -n 3 --dist worksteal $(ARGS)

test-asterisk: $(READY)
	@ASTERISK=yes "$(BIN)/python" -m pytest tests/real/test_asterisk.py -n 6 --dist worksteal $(ARGS)

check: $(READY)
	@echo "lint ..."   && "$(BIN)/ruff" check --quiet .
	@echo "format ..." && "$(BIN)/ruff" format --quiet --check .
	@echo "types ..."  && "$(BIN)/mypy" --no-error-summary
	@echo "layers ..." && "$(BIN)/lint-imports" --no-cache --no-logo

demo: $(READY)
	@"$(BIN)/floorcast" demo $(ARGS)

clean:
	@rm -rf "$(VENV)" .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
