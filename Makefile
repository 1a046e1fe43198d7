# Everything a person types here. Needs make and Python 3.11 or newer; the rest lands in .venv.
PYTHON ?= python3
VENV := .venv
JOBS ?= 2
BIN := $(VENV)/bin

# install-service: where the units go below PREFIX, where the program lies, and (for packages) a root to put it all under.
PREFIX ?= /usr/local
APP ?= /opt/twofold
DESTDIR ?=
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
EXAMPLES = $(DESTDIR)$(PREFIX)/share/doc/twofold/twofold.service.d

.PHONY: help demo test lint format docs train eval install-service uninstall-service clean
help:
	@echo "make demo     enlarge a few photographs four times, and compare with bicubic"
	@echo "make test     run the tests"
	@echo "make lint     ruff, mypy, import rules"
	@echo "make format   let ruff format the code"
	@echo "make docs     write the generated pages anew"
	@echo "make train    train the built-in network (hours)"
	@echo "make eval     measure it"
	@echo "make install-service     the systemd unit, its user and folders, below PREFIX=$(PREFIX); APP=$(APP) holds the program"
	@echo "make uninstall-service   take these files away again"
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

# Files of tests side by side: most of them wait for processes of their own. One by one: make test JOBS=0
test: $(VENV)/test.stamp
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

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
	$(BIN)/python -m tests.imaging.matrix > docs/formats.md
	$(BIN)/python -m twofold.telemetry.faults > docs/faults.md
	$(BIN)/twofold config init > config.example.yaml

# ARGS goes through: make train ARGS="--minutes 95", make eval ARGS="FILE --benchmarks DIR". See training/README.md.
train: $(VENV)/demo.stamp
	$(BIN)/python -m training.train $(ARGS)

eval: $(VENV)/demo.stamp
	$(BIN)/python -m training.evaluate $(ARGS)

install-service:
	install -d "$(UNITS)" "$(EXAMPLES)" "$(DESTDIR)$(PREFIX)/lib/sysusers.d" "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d"
	sed 's|/opt/twofold|$(APP)|g' systemd/twofold.service > "$(UNITS)/twofold.service"
	chmod 644 "$(UNITS)/twofold.service"
	install -m 644 systemd/twofold.sysusers "$(DESTDIR)$(PREFIX)/lib/sysusers.d/twofold.conf"
	install -m 644 systemd/twofold.tmpfiles "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/twofold.conf"
	install -m 644 systemd/twofold.service.d/*.conf "$(EXAMPLES)"
	@echo
	@echo "In place. Next, as root (docs/operating.md explains each step):"
	@test -x "$(APP)/.venv/bin/twofold" || echo "  python3 -m venv $(APP)/.venv && $(APP)/.venv/bin/pip install $(CURDIR)"
	@echo "  systemd-sysusers && systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/twofold.conf"
	@echo "  $(APP)/.venv/bin/twofold config init /etc/twofold/twofold.yaml    # then set your folders in it"
	@echo "  systemctl edit twofold    # [Service] ReadWritePaths=-/your/photos; for a NAS see $(PREFIX)/share/doc/twofold"
	@echo "  systemctl daemon-reload && systemctl enable --now twofold && systemctl status twofold"

# The configuration, the state, the user and your drop-ins stay.
uninstall-service:
	rm -f "$(UNITS)/twofold.service"
	rm -f "$(DESTDIR)$(PREFIX)/lib/sysusers.d/twofold.conf" "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/twofold.conf"
	rm -rf "$(EXAMPLES)"
	-rmdir "$(DESTDIR)$(PREFIX)/share/doc/twofold"
	@echo "Gone. If it still runs: systemctl disable --now twofold && systemctl daemon-reload"
	@echo "Still there: /etc/twofold, /var/lib/twofold, /var/cache/twofold, the user twofold."

clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
