"""One set of runs for all tests that ask for the same one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lab.linux import syscalls
from tests.integration.labs import Runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A shell that starts us in the background has us ignore it, and what we start would ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_mounts() -> None:
    """Nodes that a test makes in this very process mount something: nothing of it may be left behind."""
    if os.geteuid() == 0:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)


@pytest.fixture(scope="session")
def runs(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    # Of several processes (pytest-xdist) each has a folder of its own below one that is all theirs.
    alone = not hasattr(pytestconfig, "workerinput")
    base = tmp_path_factory.getbasetemp()
    folder = (base if alone else base.parent) / "shared-runs"
    folder.mkdir(exist_ok=True)
    with Runs(folder, ahead=alone) as made:
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    # Not at the head: an eighth of a second, which only three modules need.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            chromium_sandbox=False,  # the tests run as root
            args=["--disable-dev-shm-usage", "--no-proxy-server"],
        )
        with browser:
            yield browser
