# A fresh machine needs python3 (3.11, 3.12 or 3.13, with venv) and make; no display, no GPU, no root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
VIEW_VENV := .venv-view
VIEW_STAMP := $(VIEW_VENV)/.installed
LESIONLENS_DATA ?= ../shared/data
DEMO_CASE ?= lj_p07
# The tests of a file stay together, in one of so many processes.
TEST_WORKERS ?= 2
# A machine without GPU wants the CPU build of torch, which is not on the Python Package Index: name an index or a
# folder of wheels that has it, for example `make demo TORCH_INDEX=URL`; torch's own install page gives the URL.
TORCH_INDEX ?=
# The archive for a Mac is made for one revision of Slicer (Help > About shows it): `make package MAC_REVISION=N`.
MAC_REVISION ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test lint bench evidence package pictures view-env clean

demo: $(STAMP)
	$(BIN)/python -m LesionLensLib.cli.demo --data "$(LESIONLENS_DATA)" --case "$(DEMO_CASE)"

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	LESIONLENS_DATA="$(LESIONLENS_DATA)" $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

bench: $(BENCH_STAMP)
	LESIONLENS_DATA="$(LESIONLENS_DATA)" $(BIN)/python -m Testing.Benchmarks --output benchmarks.json

# The page of evidence with its pictures, from the predictions saved beside the models.
evidence: $(BENCH_STAMP)
	$(BIN)/python -m LesionLensLib.training.evidence --output docs/evidence.md

pictures: $(STAMP)
	$(BIN)/python Testing/tools/make_pictures.py --data "$(LESIONLENS_DATA)" --case "$(DEMO_CASE)"

package: $(STAMP)
	$(BIN)/python Testing/tools/package.py $(if $(MAC_REVISION),--mac-revision $(MAC_REVISION))

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "error: Python 3.11, 3.12 or 3.13 is needed, this is %d.%d\nremedy: make PYTHON=/path/to/python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	@touch $(STAMP)

$(BENCH_STAMP): $(STAMP) requirements-bench.lock
	$(PIP) install --quiet -c requirements.lock -r requirements-bench.lock
	@touch $(BENCH_STAMP)

# The environment of `lesionlens view`, apart because trame-slicer wants another slicer-core.
view-env: $(VIEW_STAMP)

$(VIEW_STAMP): requirements-view.lock
	$(PYTHON) -m venv $(VIEW_VENV)
	$(VIEW_VENV)/bin/python -m pip --disable-pip-version-check install --quiet -r requirements-view.lock
	@touch $(VIEW_STAMP)

clean:
	rm -rf $(VENV) $(VIEW_VENV) build dist demo benchmarks.json *.egg-info
