# Set-up, tests and builds. `make` lists the targets; plain pip lines are in README.md.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
# Each test worker has one core: thread pools would only contend for the others'.
TEST_THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
ARGS ?=

BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt analog_model/version.py
USER_STAMP := $(VENV)/.installed-dashboard
DEVELOPER_STAMP := $(VENV)/.installed-developer
# Files that pytest collects are benchmarks of functions; the others are scripts.
BENCHMARKS = $(filter-out %/conftest.py %/__init__.py tests/benchmarks/test_%,$(wildcard tests/benchmarks/*.py))

DRAW = $(BIN)/analog-model figure --to data/figures/ --format svg --preset nature_two_columns --force

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help dashboard lab test test-quick lint types format benchmark figures screenshots results wheel wheel-test check clean

help: ## List the targets
	@echo "analog-model: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "The first target that needs it creates $(VENV) and installs what is pinned in constraints.txt."
	@echo "PYTHON=python3.12 picks another interpreter, ARGS='...' is passed on (make test ARGS='-k layout')."

dashboard: $(USER_STAMP) ## Set up if needed, then serve the dashboard and open it in the browser
	@$(BIN)/analog-model dashboard $(ARGS)

lab: $(DEVELOPER_STAMP) ## Set up if needed, then open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)

test: $(DEVELOPER_STAMP) ## Set up if needed, then run every test
	@echo "== Running every test on $(WORKERS) workers (a slow machine needs some minutes)"
	@$(TEST_THREADS) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-quick: $(DEVELOPER_STAMP) ## Run the tests that need no browser, notebook or build
	@$(TEST_THREADS) $(BIN)/python -m pytest -n $(WORKERS) -m "not browser and not notebook and not packaging and not slow" $(ARGS)

lint: $(DEVELOPER_STAMP) ## Check style and formatting (ruff), and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: $(DEVELOPER_STAMP) ## Check types (mypy)
	@$(BIN)/mypy

format: $(DEVELOPER_STAMP) ## Rewrite files to the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

benchmark: $(DEVELOPER_STAMP) ## Measure the speed of the simulator and of the dashboard
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only $(ARGS) || [ $$? -eq 5 ]
	@for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

figures: $(DEVELOPER_STAMP) ## Draw the paper's figures again
	@mkdir -p build data/figures
	@test -f build/calibrated.nc || $(BIN)/analog-model calibrate reference build/calibrated.nc
	@$(DRAW) story --from build/calibrated.nc --from data/results/recovery.nc

screenshots: $(DEVELOPER_STAMP) ## Picture the dashboard's pages for the README (minutes: it trains)
	@$(BIN)/python tests/dashboard/screenshots.py $(ARGS)

results: $(DEVELOPER_STAMP) ## Train and judge what is missing of the README's table (hours), then renew it
	@$(BIN)/analog-model results --readme README.md $(ARGS)

wheel: $(DEVELOPER_STAMP) ## Build wheel and sdist into dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .

wheel-test: $(DEVELOPER_STAMP) ## Build, install the wheel away from the checkout, and use it there
	@$(BIN)/python -m pytest -m packaging $(ARGS)

check: lint types test ## All that CI checks

clean: ## Remove builds, caches and the virtual environment
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks test-results
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "analog-model needs Python 3.11 or newer; '$(PYTHON)' is not one." \
		       "Name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "== Creating the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "No virtual environment: on Debian or Ubuntu install the package python3-venv." >&2; \
		  rm -rf $(VENV); exit 1; }

# torch first: alone, pip reports its size and progress; afterwards nothing can ask for another.
$(USER_STAMP): $(INPUTS) | $(BIN)/python
	@echo "== Installing analog-model with the dashboard into $(VENV) (once; about 1.5 GB)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dashboard]'
	@touch $@

$(DEVELOPER_STAMP): $(INPUTS) | $(BIN)/python
	@echo "== Installing analog-model with dashboard, notebook and test tools into $(VENV) (once; about 2 GB)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dashboard,notebook,test,lint]'
	@touch $@ $(USER_STAMP)
