"""What the tests ask of whoever starts them: nothing."""

from __future__ import annotations

import os

# What a program prints into a pipe is as wide as it likes. A user's shell may have exported the width of
# a terminal: then ps cuts lines off, and help texts break elsewhere.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
