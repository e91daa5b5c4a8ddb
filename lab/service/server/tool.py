"""``lab-service``: what IBM's people do at the service server, and all that they get when they log in by SSH.

Says a request to the server's own process by a socket of the node, and says the answer. Nothing of the lab's
is imported: a user who has logged in runs this file as the lab copies it into the node, with the
standard library alone, because the lab's own folder may be the lab's user's only. And little of that: in the
lab's kernel each import costs as much as the rest, and a life of remote service asks many times.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

SOCKET = "/run/lab/service.sock"
PROGRAM = "lab-service"
LINE, WORDS = "line", "words"
"""A request has what is behind ``ssh USER@SERVER``, which the server takes apart, or the words of a shell."""
_MOST_BYTES = 1 << 20


def request(connection: str, form: str, words: Sequence[str]) -> bytes:
    """The number of bytes behind it, a newline, and the fields, separated by NUL."""
    fields = "\0".join([connection, form, *words]).encode(errors="surrogateescape")
    return b"%d\n%b" % (len(fields), fields)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0; 1 where it was refused or came to nothing; 2 where it makes no sense.

    That of ``run`` is the command's own.
    """
    words = sys.argv[1:] if argv is None else argv
    connection = os.environ.get("SSH_CONNECTION", "")
    asked = request(connection, WORDS, words)
    if os.geteuid() != 0 and connection:
        # The server runs this program whatever the client has asked for, and says here what that was.
        wanted = os.environ.get("SSH_ORIGINAL_COMMAND", "status")
        asked = request(connection, LINE, [wanted])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(SOCKET)
        except OSError:
            return _end(2, f"{PROGRAM}: there is no remote service in this node\n")
        answer = b""
        try:
            socket.send_fds(server, [asked], [0, 1, 2])
            while piece := server.recv(_MOST_BYTES):
                answer += piece
        except ConnectionError:
            pass  # The server has ended, and what it has said so far is no answer.
    status, found, said = answer.decode(errors="replace").partition("\n")
    return _end(int(status), said) if found else _end(4, f"{PROGRAM}: the lab is going down\n")


def _end(status: int, words: str) -> int:
    (sys.stderr if status else sys.stdout).write(words)
    return status


if __name__ == "__main__":
    sys.exit(main())
