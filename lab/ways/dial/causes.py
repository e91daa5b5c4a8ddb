"""The causes for which a way home by telephone fails, and the step at which each stops the way."""

from __future__ import annotations

from lab.verify.shared_causes import SERVERS
from lab.verify.step import Causes, Step
from lab.ways.pass_through.causes import TO_PARTITION

CALL: Causes = {
    **dict.fromkeys(
        ["no-modem", "modem-dead", "modem-garbage", "modem-gone", "modem-refuses", "modem-refuses-setup"],
        Step.modem,
    ),
    **dict.fromkeys(
        ["no-dialtone", "lines-taken", "busy", "pool-empty", "no-answer", "voice", "training-fails",
         "unobtainable", "i5-line-busy"],
        Step.call,
    ),
    **dict.fromkeys(["chap-only-peer", "no-ppp"], Step.lcp),
    **dict.fromkeys(["wrong-pap-password", "pap-refused"], Step.password),
    # These befall a call that was up, or may have been.
    **dict.fromkeys(["late-answers", "lcp-echo-lost", "line-dropped"], None),
}  # fmt: skip
"""What kept a call from carrying anything, whatever it was to carry."""

STOPS: Causes = {
    **SERVERS,
    **CALL,
    **dict.fromkeys([*TO_PARTITION], Step.call),
    **dict.fromkeys(["dns-silent", "dns-fenced"], Step.name),
    **dict.fromkeys(["tcp-lost", "too-slow", "i5-died", "corrupted-l2tp"], None),
}
