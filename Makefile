# Everything a contributor and CI run. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.bench-installed
DOCS_STAMP := $(VENV)/.docs-installed
MUTATION_STAMP := $(VENV)/.mutation-installed
BENCH_ARGS ?=
MINUTES ?= 5
JOBS ?= 1
SHARED := --numprocesses auto --dist loadfile
export MPLBACKEND := Agg

.PHONY: help install demo test test-slow test-portable test-lowest coverage fuzz mutation lint types audit package bench bench-speed bench-accuracy bench-peers bench-other-technology docs pictures \
  command-reference keywords clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

install: $(STAMP)  ## install the package and its development tools into .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: install  ## rank the genes of 700 blood cells; figures, tables, models and a report go to demo_results/
	$(BIN)/selectormlp demo --out demo_results

test: install  ## run the tests (a few minutes)
	$(BIN)/python -m pytest -m "not slow" $(SHARED)

test-slow: install  ## run the slower checks too
	$(BIN)/python -m pytest

test-portable: install  ## run the tests of what is learned under other kernels of this processor, and other numbers of threads
	$(BIN)/python tests/portable.py

test-lowest:  ## the same tests with the lowest versions allowed (constraints-lowest.txt; Python 3.11); those of import-linter are skipped
	$(PYTHON) -m venv .package/lowest
	.package/lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt --editable '.[dask,measures,test,xlsx]'
	.package/lowest/bin/python -m pytest -m "not slow" $(SHARED)

coverage: install  ## run the tests and count the lines and branches that they reach
	$(BIN)/python -m pytest -m "not slow" -q $(SHARED) --cov --cov-report=term:skip-covered

fuzz: install  ## feed damaged and hostile files to all readers for MINUTES (5); what goes wrong is kept in fuzz_findings/
	$(BIN)/python tests/fuzz/fuzzing.py $(MINUTES)

mutation: $(MUTATION_STAMP)  ## change the code of moments, splits and constraints, JOBS (1) at a time; do tests notice?
	rm -rf mutants
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children $(JOBS)
	$(BIN)/python tests/mutation/figures.py

$(MUTATION_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[mutation]'
	touch $(MUTATION_STAMP)

lint: install  ## check style, format and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install  ## check types
	$(BIN)/mypy

audit: install  ## compare floors and pins with advisories; look the pins up among known vulnerabilities (needs the network)
	$(BIN)/python -m pytest -q tests/faults/test_floors.py
	$(PYTHON) -m venv .package/audit
	.package/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.package/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

package: install  ## build sdist and wheel, install the wheel into an empty environment, use it from there
	rm -rf dist .package
	$(BIN)/python -m build --outdir dist
	$(PYTHON) -m venv .package/venv
	.package/venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl mypy
	cp tests/packaging/client.py .package
	cd .package && venv/bin/python client.py && venv/bin/mypy --strict client.py
	cd .package && venv/bin/selectormlp demo --out demo_results

bench: bench-speed bench-accuracy  ## measure speed, then the accuracy of panels beside other methods

bench-speed: install  ## one table of times, each beside a reference of the same run; on a GPU too, if any
	$(BIN)/python benchmarks/speed.py $(if $(DATA),--data $(DATA))

bench-accuracy: $(BENCH_STAMP)  ## compare panels with those of other methods (hours); goes on where it stopped
	PYTHONPATH=benchmarks $(BIN)/python -m panel_accuracy.run --out bench_results/results.csv $(BENCH_ARGS)
	PYTHONPATH=benchmarks $(BIN)/python -m panel_accuracy.report bench_results/results.csv

bench-peers: install  ## compare panels with those of peers, each in an environment of its own (hours)
	PYTHONPATH=benchmarks $(BIN)/python -m peers.run $(BENCH_ARGS)
	PYTHONPATH=benchmarks $(BIN)/python -m peers.report bench_results/peers

bench-other-technology: install  ## choose on scRNA-seq, score on imaging; needs the folder SELECTORMLP_IMAGING
	PYTHONPATH=benchmarks $(BIN)/python -m other_technology.run --out bench_results/other_technology.csv $(BENCH_ARGS)

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $(BENCH_STAMP)

docs: $(DOCS_STAMP)  ## build the documentation, its tutorials executed, into docs/_build/html; warnings are errors
	$(BIN)/python -m sphinx --builder html --jobs auto --fail-on-warning --keep-going docs docs/_build/html

pictures: demo  ## make the pictures of the README again from the demo; needs Chromium
	$(BIN)/python docs/pictures.py demo_results

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $(DOCS_STAMP)

command-reference: install  ## write docs/commands.md again, after a change to the commands
	$(BIN)/python docs/command_reference.py

keywords: install  ## write the typed keywords again, after a change to a request model
	$(BIN)/python docs/keyword_types.py

clean:  ## remove what the targets above have made
	rm -rf $(VENV) demo_results dist .package fuzz_findings mutants docs/_build docs/api/generated .mypy_cache .pytest_cache \
	  .ruff_cache .hypothesis .coverage htmlcov
