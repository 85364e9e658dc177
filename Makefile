# `make` lists the targets. Everything runs in .venv, which is made from requirements.lock on first use.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv book test test-fast lint lab bench clean lock

# The interpreter .venv is made with, the arguments of `semshare book` and those of pytest:
#   make venv PYTHON=python3.12      make book BOOK="--scale smoke"      make test TEST="-n 0 tests/test_losses.py"
# and those of JupyterLab:
#   make lab LAB="--no-browser --port 8888"
PYTHON ?= $(shell python3.11 -c pass 2>/dev/null && echo python3.11 || echo python3)
BOOK ?=
TEST ?=
LAB ?=
# The pair that `make lock` locks; the rest is the newest that pyproject.toml allows.
TORCH ?= torch==2.14.1 torchvision==0.29.1

PIP := -m pip --disable-pip-version-check --quiet

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

venv: .venv/.stamp ## make .venv as requirements.lock says

book: .venv/.stamp ## run the notebooks and build the book; BOOK="--scale smoke" for a quick one
	@.venv/bin/semshare book $(BOOK)

test: .venv/.stamp ## check style and run the tests; TEST=tests/test_losses.py for some
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/python -m pytest -q -n auto --maxprocesses 4 $(TEST)

test-fast: .venv/.stamp ## run the tests that neither train nor build, in less than a minute on two cores
	@.venv/bin/python -m pytest -q -n auto --maxprocesses 4 -m "not slow" $(TEST)

lint: .venv/.stamp ## format the code and mend what ruff can mend
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

lab: .venv/.stamp ## open JupyterLab at a page that says which notebook answers which question
	@JUPYTER_CONFIG_PATH="$(CURDIR)/notebooks/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
		.venv/bin/jupyter lab --LabApp.default_url=/lab/tree/notebooks/start.md $(LAB)

bench: .venv/.stamp ## measure speed and memory beside named peers (leave the machine alone meanwhile)
	@.venv/bin/python benchmarks/all.py

clean: ## remove the built book and caches; .venv and finished runs stay
	@rm -rf _build book/_build book/sections .pytest_cache .ruff_cache
	@find . \( -path ./.venv -o -path ./.git \) -prune -o \
		-type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

define check_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "semshare needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make venv PYTHON=/path/to/python3.11" >&2; exit 1; }
endef

# The stamp comes last and goes first: an install that was cut short starts afresh.
.venv/.stamp: requirements.lock pyproject.toml
	$(check_python)
	@if [ -f $@ ]; then rm $@; else echo "Making .venv with $(PYTHON)"; $(PYTHON) -m venv --clear .venv; fi
	@echo "Installing $$(grep -c == requirements.lock) locked packages into .venv (about 7 GB: some minutes)"
	@# no-compile: what is used is compiled when it is first imported; most of it never is.
	@.venv/bin/python $(PIP) install --no-compile -r requirements.lock
	@# compat: the package is found by a path, also by who works in the folder that this checkout lies in.
	@.venv/bin/python $(PIP) install --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@.venv/bin/python $(PIP) check
	@touch $@
	@echo "Ready: .venv/bin/semshare --help"

lock: ## write requirements.lock anew from pyproject.toml
	$(check_python)
	@echo "Resolving pyproject.toml with $(TORCH) in a fresh environment (about 7 GB: some minutes)"
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh" requirements.lock.part' EXIT; \
	$(PYTHON) -m venv "$$fresh"; \
	"$$fresh/bin/python" $(PIP) install -e '.[all,test]' $(TORCH); \
	{ \
		echo '# Every package that semshare[all,test] runs on, at one exact version: Linux, Python 3.11 or newer.'; \
		echo '# Written by `make lock` from the ranges of pyproject.toml; do not edit.'; \
		"$$fresh/bin/python" -m pip freeze --all --exclude pip --exclude-editable; \
	} > requirements.lock.part; \
	mv requirements.lock.part requirements.lock
