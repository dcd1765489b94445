# Every target sets up what it needs: `make demo` and `make test` work on a fresh machine
# with Python 3.10 or later, make and pip.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test soak goldens check clean

demo: $(READY)
	$(BIN)/specc demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

# Long runs: minutes to hours.
soak: $(READY)
	$(BIN)/python -m pytest -m slow

# Builds every example again, over any edit: `generated/` is what specc emits.
goldens: $(READY)
	$(BIN)/specc build --force generated/*/job.json

check: $(READY)
	$(BIN)/python -m pyflakes compiler tests benchmarks generated
	$(BIN)/black --check --quiet compiler tests benchmarks
	$(BIN)/specc build --check --strict generated/*/job.json

clean:
	rm -rf .venv

# torch comes first and alone, so that no other requirement can choose another build of it.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt 'hatchling>=1.26' 'editables>=0.5'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[train,dev]'
	touch $@
