# Every command a developer types; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
COMPILE := uv pip compile pyproject.toml --extra dev --universal --fork-strategy fewest \
	--python-version 3.11 --quiet --output-file requirements.txt
DATA ?=
RENDERINGS ?=

# The networks' packages are large: a slow line is not a failure.
export UV_HTTP_TIMEOUT := 180

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: install ## enhance, review and publish the sample catalogue, then print the figures
	$(BIN)/python manage.py demo

.PHONY: serve
serve: install ## run the demo shop and one worker until Ctrl-C
	$(BIN)/python manage.py serve

.PHONY: test
# Files are unequal: whoever is done first takes tests of the other. PyTorch gets a core for each.
test: install servers ## run every test against real Redis, PostgreSQL, S3 storage and Chromium
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal --cov

.PHONY: check
check: install ## lint, types, import contracts, migrations, Dockerfiles, compose files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/hadolint docker/*.Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose*.yaml
	@if docker compose version >/dev/null 2>&1; \
	then SECRETS=secrets.example.env docker compose --file docker/compose.yaml --file docker/compose.gpu.yaml config --quiet; \
	else echo "docker compose is not installed: only the schema of the compose files was checked"; fi

.PHONY: format
format: install ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: install servers ## measure quality, speed, queue, plans, colours, limits and scale on DATA=folder
	@test -n "$(DATA)" || { echo "usage: make bench DATA=folder"; exit 2; }
	$(BIN)/python benchmarks/engine.py --data "$(DATA)"
	$(BIN)/python benchmarks/recipes.py
	$(BIN)/python benchmarks/overlap.py
	$(BIN)/python benchmarks/worker.py
	$(BIN)/python benchmarks/planner.py
	$(BIN)/python benchmarks/quality.py --data "$(DATA)" --remember var/quality-figures.json
	$(BIN)/python benchmarks/colour.py --data "$(DATA)"
	$(BIN)/python benchmarks/limits.py --data "$(DATA)" $(if $(RENDERINGS),--renderings "$(RENDERINGS)")
	$(BIN)/python benchmarks/scale.py --images 10000
	$(BIN)/python benchmarks/review.py

.PHONY: screenshots
screenshots: install servers ## take the pictures under docs/images again
	$(BIN)/python -m docs.screenshots

.PHONY: lock
lock: $(INSTALLED) ## compile requirements.txt from pyproject.toml, keeping the pins that still fit
	$(BIN)/$(COMPILE)

.PHONY: clean
clean: ## remove everything that the commands made, the .venv included
	rm -rf $(VENV) var build dist htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: install
install: $(INSTALLED)

.PHONY: servers
servers:
	@.ci/system-packages chromium redis-server postgresql

# The uv that installs everything is itself one of the pins.
$(INSTALLED): requirements.txt
	@test -x $(BIN)/python || .ci/virtualenv "$(PYTHON)" $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^uv==' requirements.txt)"
	$(BIN)/uv pip install --python $(BIN)/python --requirement requirements.txt
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
	@touch $@
