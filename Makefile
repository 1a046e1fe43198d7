# Everything a person types here. Needs make and Python 3.11 or newer; the rest lands in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint format docs train eval clean
help:
	@echo "make demo     enlarge a few photographs four times, and compare with bicubic"
	@echo "make test     run the tests"
	@echo "make lint     ruff, mypy, import rules"
	@echo "make format   let ruff format the code"
	@echo "make docs     write the generated pages anew"
	@echo "make train    train the built-in network (hours)"
	@echo "make eval     measure it"
	@echo "make clean    remove .venv, demo/ and caches"

# Stamps: a second run finds everything in place, and starts in seconds.
$(VENV)/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, for example: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/%.stamp: pyproject.toml $(VENV)/pip.stamp
	$(BIN)/python -m pip install --quiet --editable . --group $*
	@touch $@

demo: $(VENV)/demo.stamp
	@$(BIN)/python tools/demo.py prepare
	$(BIN)/twofold once --config demo/twofold.yaml
	@$(BIN)/python tools/demo.py compare

test: $(VENV)/test.stamp
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/lint.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/test.stamp
	$(BIN)/python -m twofold.telemetry.codes > docs/codes.md
	$(BIN)/python -m twofold.telemetry.events > docs/events.md
	$(BIN)/python -m twofold.telemetry.metrics > docs/metrics.md
	$(BIN)/twofold config init > config.example.yaml

# ARGS goes through: make train ARGS="--minutes 95", make eval ARGS="FILE --benchmarks DIR". See training/README.md.
train: $(VENV)/demo.stamp
	$(BIN)/python -m training.train $(ARGS)

eval: $(VENV)/demo.stamp
	$(BIN)/python -m training.evaluate $(ARGS)

clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
