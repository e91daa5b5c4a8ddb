# Every target does the set-up that it needs first (tools/setup), which is done at once when nothing is missing.
topology ?= vpn-nat
bin := .venv/bin
# Two processes of pytest, for two processors; the tests of a module, or of a class, stay together.
two := -n 2 --dist loadscope
# Four where no lab runs: many of these tests wait for a modem or a program.
four := -n 4 --dist loadscope
# What Python has compiled is kept, whatever the environment says: it is most of what starting costs.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-loaded golden recordings check bench kernel machines-check vagrant-runs vagrant-check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install packages, virtual environment and kernel, as far as they are missing
	@tools/setup

demo: ## let an agent call home over a path, and judge it: make topology=NAME demo
	@tools/setup --for '$(topology)'
	@$(bin)/lab run --next '$(topology)'

test: ## run the whole test suite: the unit tests, then the scenarios in the lab's own kernel
	@tools/setup --with-tests
	$(bin)/python -m pytest $(two) --no-loadscope-reorder tests
	$(bin)/python -m pytest lab --lab-strict

test-loaded: ## run the whole test suite beside four busy loops, which end with it
	@tools/loaded $(MAKE) test

golden: ## write every golden file anew from what the lab makes now; git diff shows what is to be reviewed
	@tools/setup --without-kernel --with-tests
	GOLDEN=write $(bin)/python -m pytest -q $$(grep -rl golden.reviewed tests/unit --include='*.py')

recordings: ## record the true runs anew that tests change and judge (minutes): make names='vpn dial' recordings
	@tools/setup --with-tests
	$(bin)/python -m tests.recordings $(names)

check: ## run formatter, linters, types and the tests that need no kernel, but for the long ones
	@tools/setup --without-kernel --with-tests
	$(bin)/python -m pytest -q $(four) --hypothesis-profile few -m "not kernel and not root and not long" tests/unit

bench: ## run the benchmarks, and print medians and ratios
	@tools/setup --with-tests
	$(bin)/python -m bench

kernel: setup ## build the lab's own kernel, if it is not there, and say which one it is
	@$(bin)/lab kernel status

machines-check: ## try demo and test on fresh Debian 12 and 13, as root (an hour or two): docs/machines.md
	@/usr/bin/python3 -B -m tools.machines_check $(machines)

vagrant-runs: ## fetch the run directories of the Vagrant machine: make to=FOLDER vagrant-runs
	@tools/vagrant-runs $(to)

vagrant-check: ## build a Vagrant box, bring the machine up, let the lab run in it, remove it (root, half an hour)
	@tools/vagrant-check

clean: ## remove the virtual environment, the runs and the caches of this checkout
	@tools/clean
