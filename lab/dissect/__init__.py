"""What packets say, layer by layer, for people: a line each, and every field. Judges nothing.

Built on the readers in ``lab.wire``, which know what the findings ask for; here are the names of things.
What is secret is told by its length: passwords, answers to challenges, hidden AVPs, and of HTTP credentials
and bodies.
"""

from __future__ import annotations

from lab.dissect.anatomy import Dissected, Layer
from lab.dissect.dissector import Dissector, dissect, dissect_calls
from lab.dissect.naming import names_of
from lab.dissect.unsealer import Unsealer

__all__ = [
    "Dissected",
    "Dissector",
    "Layer",
    "Unsealer",
    "dissect",
    "dissect_calls",
    "names_of",
]
