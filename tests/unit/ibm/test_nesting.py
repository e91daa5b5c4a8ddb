"""JSON that a peer wrote: nothing of it may end a process whose thread has the server's small stack."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ibm import nesting
from lab.ibm.answers import HEARTBEAT_BYTES

DEEP = {
    "arrays": b"[" * HEARTBEAT_BYTES,
    "objects": (b'{"":' * HEARTBEAT_BYTES)[:HEARTBEAT_BYTES],
    "whole arrays": b"[" * (HEARTBEAT_BYTES // 2) + b"]" * (HEARTBEAT_BYTES // 2),
    "both": (b'[{"a":' * HEARTBEAT_BYTES)[:HEARTBEAT_BYTES],
    "after a string": b'["\\"", ' + b"[" * 100_000,
    "after a bracket in a string": b'["]", ' * 100_000,
    "UTF-16": ("[" * 100_000).encode("utf-16"),
    "UTF-32": ("[" * 100_000).encode("utf-32-le"),
    "one more than is taken": b"[" * (nesting.DEEPEST + 1) + b"]" * (nesting.DEEPEST + 1),
}


@pytest.mark.parametrize("body", DEEP.values(), ids=list(DEEP))
def test_deep_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="nested deeper than 100"):
        nesting.parse(body)


def test_the_deepest_that_is_taken_needs_no_more_than_the_servers_stack() -> None:
    # In a process of its own: what fails here is a segmentation fault.
    program = """
import threading
from lab.ibm import nesting, threads
from lab.ibm.answers import HEARTBEAT_BYTES

deep = b'{"a":[' * (nesting.DEEPEST // 2 - 1) + b"]}" * (nesting.DEEPEST // 2 - 1)
body = b"[" + b",".join([deep] * (HEARTBEAT_BYTES // (len(deep) + 1))) + b"]"
thread = threads.SmallThread(target=lambda: print(len(nesting.parse(body))))
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 1000


@given(
    st.recursive(
        st.none() | st.text(alphabet='[]{}"\\a'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='[]{}"\\'), inner),
    )
)
def test_brackets_are_counted_as_the_reader_counts_them(value: object) -> None:
    text = json.dumps(value)
    depth = depth_of(value)

    assert not nesting.is_deeper(text, depth)
    assert depth == 0 or nesting.is_deeper(text, depth - 1)
    assert nesting.parse(text.encode()) == value


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0
