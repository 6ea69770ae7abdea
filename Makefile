# Two commands do everything on a machine with Python 3.11, git and make.
#   make demo   a small self-play pipeline, steered by the shipped rules, for about a minute
#   make test   every check the project has

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format clean

demo: $(READY)
	@$(BIN)/rules-engine demo $(ARGS)

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/rules-engine lint --strict
	$(BIN)/rules-engine test --coverage --min 100
	$(BIN)/rules-engine fmt --check
	$(BIN)/rules-engine codegen --check
	$(BIN)/python -m pytest -n 2

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/rules-engine fmt

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) .demo .rules-engine .mypy_cache .pytest_cache .ruff_cache .hypothesis
