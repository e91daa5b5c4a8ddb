"""The section of ladder diagrams: one for each way home that was tried."""

from __future__ import annotations

from lab.markup import Markup, fill, join
from lab.report import cited
from lab.report.ladder import Ladder
from lab.report.material import Material
from lab.report.packets import Packets
from lab.report.parts import section

_INTRODUCTION = (
    "Each arrow is a message, and opens to the decoded packet. A broad band is the part of the way on which "
    "it is inside ESP, a ring is a node that passed it on, a dashed arrow stands for several packets, and a "
    "cross is where a packet was last seen."
)


def make(material: Material) -> Markup:
    """Empty where no packet of a way home can be shown."""
    found = material.conversations
    if material.case is None or not (found or material.cited):
        return Markup("")
    packets = Packets(material, material.case)
    ladders = [Ladder(material, packets, n, each).html() for n, each in enumerate(found, 1)]
    text = fill(
        "<p>{text}</p>{ladders}{others}",
        text=_INTRODUCTION if found else "No packet of a way home was seen.",
        ladders=join(ladders),
        others=cited.make(material, material.case, packets),
    )
    return section("conversation", "The conversation", text)
