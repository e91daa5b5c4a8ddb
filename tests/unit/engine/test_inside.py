"""The lab's main program: how it waits for the end of a lab that stands."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITS = """\
import os, select, signal
from lab.engine import inside
signal.signal(signal.SIGTERM, inside._terminate)
signal.signal(signal.SIGUSR1, lambda *_: print("heard", flush=True))
wait = select.select
def wait_and_say_so(*descriptors):
    os.write(1, b"waits\\n")
    return wait(*descriptors)
select.select = wait_and_say_so
inside._wait_for_the_end()
print("over", signal.set_wakeup_fd(-1), flush=True)
"""


@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_the_signal_to_end_and_for_no_other(last: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout is not None
        for _ in range(3):
            assert waiting.stdout.readline() == "waits\n"
            waiting.send_signal(signal.SIGUSR1)
            assert waiting.stdout.readline() == "heard\n"
        assert waiting.stdout.readline() == "waits\n"
        waiting.send_signal(last)
        assert waiting.communicate(timeout=30)[0] == "over -1\n"
    assert waiting.returncode == 0
