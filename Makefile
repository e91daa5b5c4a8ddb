# Every target does the set-up that it needs first (tools/setup), which is done at once when nothing is missing.
topology ?= vpn-nat
bin := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench kernel machines-check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install packages, virtual environment and kernel, as far as they are missing
	@tools/setup

demo: setup ## let an agent call home over a path, and judge it: make topology=NAME demo
	@$(bin)/lab run $(topology)

test: setup ## run the whole test suite: the unit tests, then the scenarios in the lab's own kernel
	$(bin)/python -m pytest tests
	$(bin)/python -m pytest lab --lab-strict

check: ## run formatter, linters, types and the tests that need no kernel
	@tools/setup --without-kernel
	$(bin)/python -m pytest -q -m "not kernel and not root" tests/unit

bench: setup ## run the benchmarks, and print medians and ratios
	$(bin)/python -m bench

kernel: setup ## build the lab's own kernel, if it is not there, and say which one it is
	@$(bin)/lab kernel status

machines-check: ## try demo and test on fresh Debian 12 and 13, as root (an hour or two): docs/machines.md
	@/usr/bin/python3 -B -m tools.machines_check $(machines)

clean: ## remove the virtual environment, the runs and the caches of this checkout
	rm -rf .venv .setup.lock runs dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
