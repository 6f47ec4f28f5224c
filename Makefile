# make demo: index the example pictures and search them.  make test: the whole test suite.  make check: what CI checks.
# make site: the documents as a site, in build/site.  make release: wheel, source and bill of materials, in dist.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --no-compile -c constraints.txt
# not of all 20,000 files when they are installed: of those that are imported, when they are
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo kernels test check site release lowest
.DELETE_ON_ERROR:

$(VENV)/light: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

# torch by itself first: the pinned build, before anything else can ask for another
$(VENV)/dev: $(VENV)/light
	$(PIP) torch
	$(PIP) -e '.[dev]'
	touch $@

# Milvus Lite's server, to test against: it wants an older client than ours, so that it has a place of its own
$(VENV)-milvus/ready:
	$(PYTHON) -m venv $(VENV)-milvus
	$(VENV)-milvus/bin/pip --disable-pip-version-check install --quiet --no-deps milvus-lite==2.5.1
	touch $@

demo: $(VENV)/light
	$(BIN)/transhash index examples/pictures
	$(BIN)/transhash search -k 5 examples/pictures/truck/truck-01.jpg

# compiles what the tests need, once: their processes would do so side by side
kernels: $(VENV)/light
	$(BIN)/transhash doctor

test: $(VENV)/dev $(VENV)-milvus/ready
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

$(VENV)-release/ready:
	$(PYTHON) -m venv $(VENV)-release
	$(VENV)-release/bin/pip --disable-pip-version-check install --quiet build==1.6.1 hatchling==1.33.0 twine==7.0.0
	touch $@

release: lowest
	$(VENV)-release/bin/python -m release.smoke dist/transhash-*.whl

# what the gate needs of a release: the tests use the pinned versions anyway
lowest: $(VENV)-release/ready
	$(VENV)-release/bin/python -m release.build --to dist
	$(VENV)-release/bin/python -m release.smoke dist/transhash-*.whl --lowest

site: $(VENV)/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
