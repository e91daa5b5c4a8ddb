"""``lab-way``: an agent brings its host's way home up or down, from inside; the same as ``lab path``.

Says an order to the lab's own process by a socket of the host's network, and says the answer. Nothing of the
lab's is imported: this file is copied into each node and runs with the standard library alone, as a user who
perhaps may not read the lab's own folder.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

PROGRAM = "lab-way"
SOCKET = "\0lab-way"
"""In the abstract namespace (unix(7)), of which each network has its own: who asks there is that host."""
USAGE = f"""usage: {PROGRAM} up [WAY]    bring this way home up, or the first of this host's that comes
       {PROGRAM} down [WAY]  take it down, or whatever is up

The exit status is 0 when the way is up, or is down, as asked for; 1 when it is not, and the reason is said;
2 when the order makes no sense. LAB_WAYS has the names of this host's ways, in their order.
"""
_MOST_BYTES = 1 << 16


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status, as ``USAGE`` has it; 4 where the lab is going down."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["-h"], ["--help"]):
        return _end(0, USAGE)
    if not 1 <= len(words) <= 2 or words[0] not in ("up", "down"):
        return _end(2, USAGE)
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lab:
        try:
            lab.connect(SOCKET)
        except OSError:
            return _end(2, f"{PROGRAM}: nobody takes orders here: this is no node of a lab\n")
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
