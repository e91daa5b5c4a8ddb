"""The program that is a carried pytest session inside: run by path, by the host's own interpreter.

Its one argument is JSON: ``argv``, and ``sys_path`` as it was on the host. The interpreter starts as on
the host, with its site and virtual environment, because a user's packages may need that (editable
installs do). Nothing of pytest's work is done here.
"""

from __future__ import annotations

import json
import os
import signal
import sys


def main() -> int:
    """Make memory ready, then be pytest."""
    order = json.loads(sys.argv[1])
    sys.path[:] = order["sys_path"]
    sys.argv[:] = order["argv"]

    from lab.linux import syscalls

    if os.environ.get("LAB_INSIDE") == "uml":
        # As in ``inside``; it does not outlive an exec, so the attendant cannot do it for us.
        syscalls.populate_memory()
    # pytest wants to be the one who imports its plugins, and complains about what is there before it.
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
        del sys.modules[name]
    # A session that is hung up takes its labs down, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    import pytest

    return int(pytest.main())


if __name__ == "__main__":
    sys.exit(main())
