# `make demo` and `make test` set up all they need. `make help` lists the rest.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# One version of each package for every Python, where there is one: what is tried on one then holds on the others.
LOCK := .venv/bin/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-emit-index-url \
	--python-version 3.11
LOCK_SERVICES := $(LOCK) -c constraints.txt
# torch's wheels for the processor alone are one for each Python, and nobody needs triton there.
LOCK_SPEECH := $(subst --universal,--python-platform x86_64-manylinux_2_28,$(LOCK)) --no-emit-package triton \
	-c services/faster-whisper/requirements.lock
# torch is installed by its exact version beside these, from an index that fits the machine; what only a GPU needs
# comes with it.
LOCK_TORCH := $(LOCK_SERVICES) --override whisperx/overrides.txt $(addprefix --no-emit-package ,torch torchvision triton \
	cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime \
	nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
	nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx)
project = $(addsuffix /pyproject.toml,$(1))
FASTER_WHISPER := $(call project,core whisper ctranslate2 faster-whisper)
WHISPERX := $(call project,core whisper ctranslate2 speakers whisperx)
PYTORCH := $(call project,core whisper speakers pytorch)
PARAKEET := $(call project,core speakers parakeet)
DEV := --extra dev testing/pyproject.toml

.PHONY: help setup demo setup-tests test test-vps test-debian13 check bench coverage wheel release-check lock docs clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## make the environment of the kit itself, and install nginx where it is missing
	@scripts/setup
	$(if $(filter setup,$(MAKECMDGOALS)),@echo "Ready: .venv/bin/greffier --help")

demo: setup ## deploy examples/demo.yml to this machine and transcribe a sentence with it
	@$(PYTHON) cli.py demo

setup-tests:
	@scripts/setup --tests $(PART)

check: setup-tests ## lint, types, import contracts
	@scripts/check

test: setup-tests ## set up all that is needed and run check and every test; PART="unit core" runs these parts alone
	@$(PYTHON) -m tests $(PART)

.PHONY: test-full
test-full: setup-tests ## the long tests too, the engines as other processors compute, and all on a bare Debian 13 (root)
	@$(PYTHON) -m tests --full $(PART)
	@$(MAKE) --no-print-directory test-debian13

test-vps: setup-tests ## deploy to real Debian hosts in containers (root on Debian 12; tests/vps/README.md)
	@scripts/test-vps

test-debian13: ## `make demo`, then `make test`, as on a bare Debian 13 (root; PART="unit core" runs these parts alone)
	@scripts/on-debian trixie make demo
	@scripts/on-debian trixie make test $(if $(PART),PART="$(PART)")

bench: setup-tests ## measure: make bench NAME=path, speech, diarization, jobs, parakeet, or as root on Debian 12 deploy, pythons
	@test -n "$(NAME)" || { echo "Say which: make bench NAME=path, NAME=speech, NAME=diarization, NAME=jobs, NAME=parakeet, NAME=pythons or NAME=deploy"; exit 2; }
	@scripts/bench "$(NAME)"

coverage: ## which lines of cli.py and deploy/ the unit and golden tests run: a report, no gate
	@scripts/setup --tests unit
	@$(PYTHON) -m coverage erase
	@PYTEST_ADDOPTS=--hypothesis-profile=ci $(PYTHON) -m coverage run -m pytest
	@$(PYTHON) -m coverage combine --quiet
	@$(PYTHON) -m coverage report

wheel: setup ## build the wheel into dist/
	@rm -rf dist
	@$(PYTHON) -m hatchling build -t wheel -d dist

release-check: ## install the wheel with pipx in an empty place, and run its init, check, render and demo there
	@scripts/setup --tests unit
	@$(MAKE) --no-print-directory wheel
	@scripts/release-check dist/*.whl

docs: setup-tests ## write docs/inventory.md and the JSON Schema from the models
	@$(PYTHON) -m deploy.config.reference

lock: setup ## resolve every lock file anew
	$(LOCK) --extra checkout pyproject.toml -o requirements.lock
	$(LOCK) --extra checkout --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(LOCK) autostart/pyproject.toml -o autostart/requirements.lock
	$(LOCK) --extra dev -c autostart/requirements.lock autostart/pyproject.toml -o autostart/requirements-dev.lock
	cd services && ../$(LOCK_SERVICES) $(FASTER_WHISPER) -o faster-whisper/requirements.lock
	cd services && ../$(LOCK_SERVICES) $(DEV) -c faster-whisper/requirements.lock $(FASTER_WHISPER) \
		-o faster-whisper/requirements-dev.lock
	cd services && ../$(LOCK_TORCH) $(WHISPERX) -o whisperx/requirements.lock
	cd services && ../$(LOCK_TORCH) -c whisperx/requirements.lock $(PARAKEET) -o parakeet/requirements.lock
	cd services && ../$(LOCK_TORCH) $(DEV) -c whisperx/requirements.lock -c parakeet/requirements.lock $(WHISPERX) \
		parakeet/pyproject.toml -o whisperx/requirements-dev.lock
	cd services && ../$(LOCK_TORCH) -c whisperx/requirements.lock $(PYTORCH) -o pytorch/requirements.lock
	cd services && ../$(LOCK_TORCH) $(DEV) -c whisperx/requirements-dev.lock $(PYTORCH) \
		-o pytorch/requirements-dev.lock
	$(LOCK) bench/peers/requirements.in -o bench/peers/requirements.lock
	$(LOCK_SPEECH) bench/peers/speech/requirements.in -o bench/peers/speech/requirements.lock
	$(LOCK_SPEECH) bench/peers/diarization/requirements.in -o bench/peers/diarization/requirements.lock

clean: ## remove environments and caches of this checkout
	rm -rf .venv .venvs dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .import_linter_cache
