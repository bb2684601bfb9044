# `make demo` and `make test` are all a newcomer needs; both set up first if needed.
PYTHON ?= python3.11
VENV ?= .venv
# Where torch comes from. Empty: the CPU build unless an NVIDIA GPU is found (docs/install.md).
TORCH_INDEX ?=
# Of `make web`: the bundle; empty takes the most recent run's. Of `make web-test`: what is judged, where screenshots go.
BUNDLE ?=
IMAGES ?= $(abspath $(wildcard runs/demo/data/images/*/test_0000[0-3].jpg))
SHOTS ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Threads of the numerical libraries in tests: more than one each oversubscribes the cores of pytest's workers.
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: install demo web web-test web-measure test test-fast lint types format clean help

help:
	@echo "make demo      set up, then data -> teacher -> student -> INT8 -> four bundles -> report on procedural faces"
	@echo "make test      set up, then the whole test suite"
	@echo "make test-fast only the unit tests"
	@echo "make web       build the page that judges in a browser (BUNDLE=DIR; needs Node.js); make web-test: its tests"
	@echo "make lint      ruff; make types: mypy; make format: ruff's formatter"

install: $(STAMP)

# Naming an index means wanting torch from there, whatever is installed; the stamp remembers it.
ifneq ($(TORCH_INDEX),)
ifneq ($(TORCH_INDEX),$(shell cat $(STAMP) 2>/dev/null))
.PHONY: $(STAMP)
endif
endif

$(STAMP): pyproject.toml gazeclip/system/constraints.txt gazeclip/system/install_torch.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m gazeclip.system.install_torch --index "$(TORCH_INDEX)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	$(BIN)/python -m gazeclip.system.install_torch --check
	@echo '$(TORCH_INDEX)' > $@

demo: $(STAMP)
	$(BIN)/gazeclip run demo

web: $(STAMP)
	$(BIN)/gazeclip app --build $(if $(BUNDLE),--bundle "$(BUNDLE)")

# Not in `make test`: they need Node.js, and the second Chromium and a built page.
web-test: $(STAMP)
	cd apps/web && npm run --silent types && npm test
	cd apps/web && PYTHON="$(abspath $(BIN))/python" npm run --silent browser -- $(SHOTS) -- $(IMAGES)

# The figures of docs/web.md.
web-measure: $(STAMP)
	cd apps/web && PYTHON="$(abspath $(BIN))/python" npm run --silent measure -- $(IMAGES)

# Slow tests of one file share what they train, so they stay in one process; the order of files is
# that of tests/collecting.py.
test: $(STAMP)
	$(TEST_ENV) $(BIN)/python -m pytest -m "not slow" -n 2
	$(TEST_ENV) $(BIN)/python -m pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)
	$(TEST_ENV) $(BIN)/python -m pytest -m "not slow" -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache
