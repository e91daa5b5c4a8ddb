"""Ladder diagrams: a lane for each node, an arrow for each message, and the decoded packet behind each arrow.

A row is a ``details`` element, so that it opens without scripts. Lanes and arrows are SVG whose places are in
percent: the diagram is as wide as the page, and never wider.
"""

from __future__ import annotations

from lab.markup import Markup, fill, join
from lab.names import all_of, count
from lab.report.conversation import LadderRow, WayConversation
from lab.report.material import Material
from lab.report.messages import SeenMessage
from lab.report.packets import MOST_ALIKE, Packets
from lab.report.parts import seconds, size

TITLES = {
    "AT": "The modems",
    "call": "The modems",
    "IKE": "IKE: keys for the VPN",
    "L2TP": "L2TP: the tunnel",
    "LCP": "LCP: the PPP link",
    "PAP": "PAP: who calls",
    "CHAP": "CHAP: who calls",
    "IPCP": "IPCP: an address",
    "DNS": "DNS: names",
    "TCP": "The call home",
    "TLS": "The call home",
    "HTTP": "The call home",
}
"""Protocol to the heading of a part of the ladder."""
BEFORE, AFTER = 5, 95
"""Percent of the width at which the first and the last lane are."""
_STEP = 5
_SHORT = 5
"""Characters of a name that fits on both sides of the first lane."""


class Ladder:
    """One conversation, drawn."""

    def __init__(
        self, material: Material, packets: Packets, number: int, shown: WayConversation
    ) -> None:
        self._material = material
        self._packets = packets
        self._number = number
        self._shown = shown
        gap = (AFTER - BEFORE) / max(1, len(shown.lanes) - 1)
        self._places = {name: BEFORE + gap * n for n, name in enumerate(shown.lanes)}
        self._ident = f"ladder-{number}"
        self._row = 0

    def html(self) -> Markup:
        """The heading, the filter, the diagram, and what is not in it."""
        shown = self._shown
        rows = self._rows(shown.rows)
        if shown.later:
            told = "After the calls home: the lab tries the path, and takes it down"
            rows += fill('<li class="phase">{t}</li>', t=told) + self._rows(shown.later)
        return fill(
            '<h3 id="{ident}-title">{agent} by {way}</h3>'
            '<div class="tools"><button type="button" class="copy open-all" hidden data-of="{ident}">'
            "Open all packets</button></div>{choice}"
            '<div class="ladder" id="{ident}" role="group" aria-labelledby="{ident}-title">{lanes}'
            "<ol>{rows}</ol></div>{left_out}",
            ident=self._ident,
            agent=shown.agent,
            way=shown.way,
            choice=self._choice(),
            lanes=self._lanes(),
            rows=Markup(rows),
            left_out=self._left_out(),
        )

    # -- around the rows ----------------------------------------------------------------------

    def _lanes(self) -> Markup:
        marks = []
        crowded = len(self._places) > 5
        for n, (name, place) in enumerate(self._places.items()):
            anchor, at = "middle", f"{place:.1f}%"
            if len(name) > _SHORT and n in (0, len(self._places) - 1):
                anchor, at = ("end", "100%") if n else ("start", "0%")
            line = "2.7em" if crowded and n % 2 else "1.3em"
            marks.append(
                fill(
                    '<text x="{at}" y="{line}" text-anchor="{anchor}">{name}</text>',
                    at=at,
                    line=line,
                    anchor=anchor,
                    name=name,
                )
            )
        names = all_of(list(self._places))
        return fill(
            '<div class="lanes{crowded}"><svg role="img" aria-label="Lanes from left to right: {names}">'
            "{marks}</svg></div>",
            crowded=" crowded" if crowded else "",
            names=names,
            marks=join(marks),
        )

    def _choice(self) -> Markup:
        """Radio buttons that leave the rows of one node only: a rule of the style sheet, not a script."""
        if len(self._places) > len(LANES):
            return Markup("")
        options = [("all", "all"), *((str(n), name) for n, name in enumerate(self._places))]
        buttons = [
            fill(
                '<label><input type="radio" name="{ident}-of" class="of-{value}"{checked}>{name}</label>',
                ident=self._ident,
                value=value,
                checked=Markup(" checked") if value == "all" else Markup(""),
                name=name,
            )
            for value, name in options
        ]
        return fill(
            '<fieldset class="filter"><legend>Show the messages of</legend>{buttons}</fieldset>',
            buttons=join(buttons),
        )

    def _left_out(self) -> Markup:
        shown, told = self._shown, []
        if shown.quiet:
            told.append(f"{count(shown.quiet, 'acknowledgement')} of TCP and L2TP have no arrow")
        if shown.left_out:
            told.append(f"{count(shown.left_out, 'row')} more are left out")
        if shown.beside:
            told.append(
                f"{count(shown.beside, 'packet')} by which the lab tried the path are not drawn"
            )
        if not told:
            return Markup("")
        return fill(
            '<p class="left-out">{told}. All packets are in the folder wire of the run directory.</p>',
            told="; ".join(told),
        )

    # -- rows ---------------------------------------------------------------------------------

    def _rows(self, rows: tuple[LadderRow, ...]) -> str:
        parts, heading = [], ""
        for row in rows:
            title = TITLES.get(row.spoken.protocol, heading)
            if title != heading and not row.spoken.routine:
                heading = title
                parts.append(fill('<li class="phase">{title}</li>', title=title))
            parts.append(self._of(row))
        return "".join(parts)

    def _of(self, row: LadderRow) -> Markup:
        self._row += 1
        ident = f"{self._ident}-{self._row}"
        lanes = list(self._places)
        near = {row.origin, row.target, row.lost_at} & {*lanes}
        nodes = " ".join(f"n{lanes.index(name)}" for name in sorted(near, key=lanes.index))
        summary = fill(
            '<span class="when">{when}</span><span class="said at-{at}"><span>{kind} '
            '<span class="hidden">{ends}: </span>{text}{times}{flag}</span></span>{rail}',
            when=seconds(row.time - self._material.start),
            at=str(self._indent(row)),
            kind=fill(
                '<span class="kind {family}">{name}</span>',
                family=row.spoken.family,
                name=row.spoken.protocol,
            ),
            ends=_ends(row),
            text=row.spoken.text,
            times=_times(row),
            flag=_flag(row),
            rail=self._rail(row),
        )
        return fill(
            '<li class="{nodes}"><details class="row" id="{ident}"><summary>{summary}</summary>'
            '<div class="packet">{packet}</div></details></li>\n',
            nodes=nodes,
            ident=ident,
            summary=summary,
            packet=self._packet(row, ident),
        )

    def _indent(self, row: LadderRow) -> int:
        """Where the words begin, in percent: above the arrow, with room for them."""
        places = [self._places.get(name, BEFORE) for name in (row.origin, row.target)]
        return min(45, int(min(places)) // _STEP * _STEP)

    def _packet(self, row: LadderRow, ident: str) -> Markup:
        if row.lines:
            return join(fill('<p class="mono">{line}</p>', line=line) for line in row.lines)
        for message in row.messages:
            for hop in message.hops:
                self._material.anchors.setdefault((hop.segment, hop.number), f"{ident}-packet")
        alike = 1 if row.spoken.routine else MOST_ALIKE
        return self._packets.html(row.messages, f"{ident}-packet", alike=alike)

    # -- arrows -------------------------------------------------------------------------------

    def _rail(self, row: LadderRow) -> Markup:
        lives = "".join(
            f'<line class="life" x1="{place:.1f}%" x2="{place:.1f}%" y1="0" y2="100%"/>'
            for place in self._places.values()
        )
        drawn = self._arrow(row)
        return Markup(
            f'<svg class="rail {row.spoken.family}" aria-hidden="true">{lives}'
            f'<svg y="100%" overflow="visible">{drawn}</svg></svg>'
        )

    def _arrow(self, row: LadderRow) -> str:
        start = self._places.get(row.origin)
        goal = self._places.get(row.lost_at or row.target)
        if start is None or goal is None:
            return ""
        if start == goal:
            return _at(start, '<path class="stop" d="M-6-16h12v10h-12z"/>')
        data = " data" if row.spoken.routine else ""
        parts = [self._hidden_part(message) for message in row.messages[:1]]
        parts.append(
            f'<line class="arrow{data}" x1="{start:.1f}%" x2="{goal:.1f}%" y1="-9" y2="-9"/>'
        )
        for name in dict.fromkeys(name for message in row.messages[:1] for name in message.passes):
            if name in self._places and self._places[name] not in (start, goal):
                parts.append(f'<circle class="stop" cx="{self._places[name]:.1f}%" cy="-9" r="3"/>')
        if row.lost_at:
            parts.append(_at(goal, '<path class="cross" d="M-7-16L7-2M7-16L-7-2"/>'))
        else:
            parts.append(_head(goal, to_the_right=goal > start))
        if row.both_ways:
            parts.append(_head(start, to_the_right=goal < start))
        return "".join(parts)

    def _hidden_part(self, message: SeenMessage) -> str:
        """A band along that part of an arrow on which the message is inside ESP."""
        hops = [hop for hop in message.hops if "ESP" in hop.inside]
        ends = [self._places.get(name) for hop in hops for name in (hop.sender, hop.receiver)]
        places = [place for place in ends if place is not None]
        if not places:
            return ""
        return f'<line class="hidden-in" x1="{min(places):.1f}%" x2="{max(places):.1f}%" y1="-9" y2="-9"/>'


LANES = range(12)
"""The lanes for which the style sheet has a filter."""


def filters() -> str:
    """The rules by which a radio button leaves the rows of one lane."""
    return "".join(
        f"fieldset:has(.of-{n}:checked)+.ladder li:not(.phase,.n{n}){{display:none}}\n"
        for n in LANES
    )


def indents() -> str:
    """The rules for words that begin above their arrow, where the page is wide."""
    rules = "".join(f".at-{n}{{padding-left:{n}%}}" for n in range(0, 50, _STEP))
    return f"@media (min-width: 40.01rem) {{ {rules} }}\n"


def _head(place: float, *, to_the_right: bool) -> str:
    sign = "-" if to_the_right else ""
    return _at(place, f'<path class="head" d="M0-9L{sign}10-14V-4z"/>')


def _at(place: float, drawn: str) -> str:
    """Something whose own zero is a lane."""
    return f'<svg x="{place:.1f}%" overflow="visible">{drawn}</svg>'


def _ends(row: LadderRow) -> str:
    between = "and" if row.both_ways else "to"
    if row.origin == row.target:
        return row.origin
    return f"{row.origin or 'somebody'} {between} {row.target or 'everybody'}"


def _times(row: LadderRow) -> Markup:
    number = max(len(row.messages), len(row.lines))
    if number < 2:
        return Markup("")
    told = f"sent {number} times"
    if row.spoken.routine:
        told = f"{count(number, 'packet')}, {size(row.octets)}"
    return fill(' <span class="times">({told})</span>', told=told)


def _flag(row: LadderRow) -> Markup:
    told = ""
    if row.lost_at:
        told = f"✕ not seen unchanged beyond {row.lost_at}"
    elif not row.answered:
        told = "✕ no answer"
    return fill(' <span class="flag">{told}</span>', told=told) if told else Markup("")
