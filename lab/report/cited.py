"""Packets that findings name and no ladder shows: each is there to be opened, too."""

from __future__ import annotations

from lab.markup import Markup, fill, join
from lab.names import count
from lab.report.material import MARKS_OF, Material, Place
from lab.report.messages import LINES
from lab.report.packets import Packets, layers
from lab.report.parts import seconds
from lab.verify.case import Case
from lab.verify.finding import Verdict

MOST = 80
"""Packets; the ones that failed findings name come first."""


def make(material: Material, case: Case, packets: Packets) -> Markup:
    """Empty where the ladders show all of them."""
    missing = [place for place in material.cited if place not in material.anchors]
    missing.sort(key=lambda place: (not _against(material, place), place))
    shown = [each for place in missing[:MOST] if (each := _one(material, case, packets, place))]
    if not shown:
        return Markup("")
    rest = len(missing) - len(shown)
    told = (
        f"{count(rest, 'packet')} more that findings name are in the captures only." if rest else ""
    )
    return fill(
        '<h3>Other packets that findings name</h3><div class="compact">{shown}</div>'
        '<p class="left-out">{told}</p>',
        shown=join(shown),
        told=told,
    )


def _against(material: Material, place: Place) -> bool:
    return any(verdict is Verdict.failed for _, verdict in material.cited[place])


def _one(material: Material, case: Case, packets: Packets, place: Place) -> Markup:
    segment, number = place
    dissected = packets.at(case, segment, number)
    if dissected is None:
        return Markup("")
    ident = f"packet-{segment}-{number}"
    material.anchors[place] = f"{ident}-packet"
    names = [
        fill('<a href="#finding-{name}">{name} {mark}</a>', name=name, mark=MARKS_OF[verdict][1])
        for name, verdict in material.cited[place]
    ]
    ends = f"{dissected.source} to {dissected.destination}"
    where = "the telephone" if segment == LINES else segment
    return fill(
        '<details class="finding plain" id="{ident}"><summary><span class="when-in">{when}</span> '
        '<span class="id">{place}</span> <span class="claim">{ends}: {protocol} {info}</span></summary>'
        '<div class="packet" id="{ident}-packet" tabindex="-1"><p>Findings that name it: {names}</p>{layers}'
        "</div></details>\n",
        ident=ident,
        when=seconds(dissected.time - material.start),
        place=f"{where} {number}",
        ends=ends,
        protocol=dissected.protocol,
        info=dissected.info,
        names=Markup(", ".join(names)),
        layers=layers(dissected),
    )
