"""``lab-events``: people look at events that wait, and decide; on a console, hardware fails by it.

Says an order to the lab's own process by a socket of the node's network, and says the answer. Nothing of the
lab's is imported: this file is copied into each such node and runs with the standard library alone.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

PROGRAM = "lab-events"
SOCKET = "\0lab-events"
"""In the abstract namespace (unix(7)), of which each network has its own: who asks there is that node."""
USAGE = f"""usage: {PROGRAM} list              the events that wait on registered consoles
       {PROGRAM} show EVENT        the data that would go to IBM
       {PROGRAM} approve EVENT     let its console call home with it
       {PROGRAM} reject EVENT      have it never sent
       {PROGRAM} fail TEXT         on a console whose events wait: hardware fails

The first four are for the console with the Events Manager. The exit status is 0 when it is done, 1 when a
console does not take it, 2 when the order makes no sense.
"""
VERBS = {"list": 0, "show": 1, "approve": 1, "reject": 1, "fail": 1}
"""How many words follow."""
_MOST_BYTES = 1 << 16


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status, as ``USAGE`` has it; 4 where the lab is going down."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["-h"], ["--help"]):
        return _end(0, USAGE)
    if words[:1] == ["fail"] and len(words) > 2:
        words = ["fail", " ".join(words[1:])]
    if not words or VERBS.get(words[0]) != len(words) - 1 or any("\n" in word for word in words):
        return _end(2, USAGE)
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lab:
        try:
            lab.connect(SOCKET)
        except OSError:
            return _end(2, f"{PROGRAM}: nobody takes orders here: this node has no events\n")
        try:
            lab.sendall(f"{' '.join(words)}\n".encode())
            while piece := lab.recv(_MOST_BYTES):
                answer += piece
        except ConnectionError:
            pass  # The lab has ended, and what it has said so far is no answer.
    status, found, said = answer.decode(errors="replace").partition("\n")
    if not found:
        return _end(4, f"{PROGRAM}: the lab is going down\n")
    return _end(int(status), said if status == "0" else f"{PROGRAM}: {said}")


def _end(status: int, words: str) -> int:
    (sys.stderr if status else sys.stdout).write(words)
    return status


if __name__ == "__main__":
    sys.exit(main())
