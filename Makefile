# The two commands: `make demo` and `make test`. Neither asks anything where there is no terminal.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

# Where the environment forbids it, each of a thousand short programs would be compiled anew.
export PYTHONDONTWRITEBYTECODE :=

# What tests run besides Python: real SSH servers, rsync, sudo, gpg, a compiler for the simulated NVML, and a trace of what starts.
TEST_PACKAGES := openssh-client openssh-server rsync sudo gnupg gcc libc6-dev strace

.PHONY: help demo demo-hosts-simulator demo-hosts-vllm test lint unit fleet test-engine engine bench docs clean

help:  ## Say what there is.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

.venv/done: pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/system-packages python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

# Which engine the demo deploys: a simulator in the recipe's image, or the real vLLM on this machine's CPU.
ENGINE := simulator
DEPLOY_simulator := --hub https://hub.glmprov.lab --set host=0.0.0.0
ABOUT_simulator := echo "Ask it. The engine and the cards are simulated: it knows sums and a few capitals, nothing is computed."
ABOUT_vllm := $(BIN)/python tools/cpu_instance.py about
$(if $(filter $(ENGINE),simulator vllm),,$(error ENGINE is simulator or vllm, not '$(ENGINE)'))

demo: demo-hosts-$(ENGINE)  ## Two simulated GPU hosts from bare to provisioned and audited; one serves, by an engine simulator. Leaves them up. ENGINE=vllm: by the real vLLM on the CPU.
	$(BIN)/glmprov provision --inventory lab.ini --yes --reboot
	$(BIN)/glmprov deploy recipe-3 --inventory lab.ini --limit genoa-4x --yes $(DEPLOY_$(ENGINE))
	@echo
	@$(ABOUT_$(ENGINE))
	@tools/ask $(BIN)/glmprov genoa-4x glm "What is 6 times 7?"
	@echo
	$(BIN)/glmprov audit --inventory lab.ini
	@$(BIN)/glmprov lab status
	@echo
	@echo "What to type next, in this folder:"
	@echo "  $(BIN)/glmprov facts --inventory lab.ini                             # the hosts as they are"
	@echo "  $(BIN)/glmprov status --inventory lab.ini                            # what serves"
	@echo "  $(BIN)/glmprov logs glm --inventory lab.ini --limit genoa-4x         # what the engine and its gate said"
	@echo "  tools/ask $(BIN)/glmprov genoa-4x glm 'Capital of France?'           # ask it something else"
	@echo "  $(BIN)/glmprov lab ssh -l root turin-8x nvidia-smi -i 0 -pl 600      # break one thing"
	@echo "  $(BIN)/glmprov audit --inventory lab.ini                             # exit 3, and what drifted"
	@echo "  $(BIN)/glmprov provision --inventory lab.ini                         # repair it"
	@echo "  $(BIN)/glmprov lab down                                              # remove the fleet"

demo-hosts-simulator: .venv/done
	$(BIN)/glmprov lab up

demo-hosts-vllm: .venv/done engine
	$(BIN)/glmprov lab up --share $$(tools/cpu_engine.py --folder)
	$(BIN)/python tools/cpu_instance.py declare genoa-4x >>inventories/lab.ini

test: lint unit fleet  ## Everything: lint, types, unit, contract, and the whole tool against its own fleet.

lint: .venv/done  ## ruff, mypy, ansible-lint, yamllint.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	cd $(CURDIR) && PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/ansible-lint --offline --strict

.venv/packages: .venv/done
	tools/system-packages $(TEST_PACKAGES)
	@touch $@

unit: .venv/packages  ## Tests that need no fleet.
	PYTHONHASHSEED=0 $(BIN)/pytest -m 'not fleet and not gpu and not engine' --numprocesses 2

# Four on two cores: much of it is waiting, for hosts that boot and engines that start.
fleet: .venv/packages  ## Tests against rehearsal fleets of their own.
	PYTHONHASHSEED=0 $(BIN)/pytest -m fleet --numprocesses 4 --dist loadfile tests/e2e tests/roles

test-engine: .venv/packages engine  ## recipe-3 served by the real vLLM on the CPU: puts 3.5 GB into the cache.
	$(BIN)/pytest -m engine

engine:
	@tools/system-packages python3-venv libnuma1
	@tools/cpu_engine.py

bench: .venv/packages  ## Against OpenSSH, Ansible, Mitogen and pyinfra, half an hour: docs/performance.md. ARGS=--help.
	$(BIN)/python -m tests.bench $(ARGS)

docs: .venv/done  ## Make the tables of the docs anew from the data.
	$(BIN)/python docs/generate.py

clean:  ## Remove what make made here. The caches under ~/.cache/glmprov stay.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible dist
