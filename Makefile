# Every target sets up what it needs: `make demo` and `make test` work on a fresh machine
# with Python 3.10 or later, make and pip.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TRAIN := .venv/.train
DOCS := .venv/.docs

.PHONY: demo test soak docs goldens check clean

# From nothing to a trained detector, in ./specc-demo, with what training needs alone.
demo: $(TRAIN)
	$(BIN)/python -m specc.cli demo

# All tests but those that take many minutes. `pytest -m "not slow"` is the quick part.
# A process a core, each with one thread; a file's tests stay together, with their fixtures.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not soak" -n auto --dist loadfile \
		--no-loadscope-reorder

soak: $(READY) $(DOCS)
	$(BIN)/python -m pytest -m soak

# The documentation as a site, build/site/index.html, which needs no network to read.
docs: $(DOCS)
	$(BIN)/python docs/make_pages.py build/pages
	$(BIN)/python -m sphinx -q -W --keep-going -j auto -c docs -d build/doctrees \
		build/pages build/site

# Builds every example again, over any edit: `generated/` is what specc emits.
goldens: $(READY)
	$(BIN)/python -m specc.cli build --force generated/*/job.json

check: $(READY)
	$(BIN)/python -m pyflakes compiler tests benchmarks docs generated
	$(BIN)/python -m black --check --quiet compiler tests benchmarks docs templates
	$(BIN)/python -m specc.cli build --check --strict generated/*/job.json

clean:
	rm -rf .venv

# An environment that lacks pip, for whatever reason, is begun again.
$(TRAIN): EXTRAS := train
$(READY): EXTRAS := train,data,export,timm,dev
$(DOCS): EXTRAS := docs
$(TRAIN) $(READY) $(DOCS): pyproject.toml constraints.txt
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@
