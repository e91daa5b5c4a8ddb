"""Decoded packets: where each was seen, what its layers say, and the findings that name it."""

from __future__ import annotations

from functools import cached_property

from lab.dissect import Dissected, Dissector, Layer, Unsealer, names_of
from lab.markup import Markup, fill, join
from lab.names import count
from lab.paths import shown
from lab.report.material import MARKS_OF, Material
from lab.report.messages import LINES, SeenMessage
from lab.report.parts import seconds
from lab.verify.case import Case
from lab.wire.calls import Carried
from lab.wire.decode import Frame

MOST_ALIKE = 2
"""Of several packets in one row, so many are shown decoded."""
MOST_DECODED = 240
"""In one report: a page stays small enough to be sent to somebody."""
MOST_CHARACTERS = 400
"""Of the value of a field."""


class Packets:
    """Decodes what a report shows, and nothing else."""

    def __init__(self, material: Material, case: Case) -> None:
        self._material = material
        self._case = case
        opened = ((sighting.sealed, sighting.opened) for sighting in case.esp)
        names = names_of(case.topology, case.record)
        self._dissector = Dissector(Unsealer(case.keys, opened), names)
        self._left = MOST_DECODED
        self._by_number: dict[str, dict[int, Frame]] = {}

    @cached_property
    def _carried(self) -> dict[int, Carried]:
        """What telephone calls carried, by the number of the frame."""
        return {item.frame.number: item for item in self._case.all_carried}

    def html(self, messages: list[SeenMessage], anchor: str, *, alike: int = MOST_ALIKE) -> Markup:
        """The packets of one row, the first of them decoded."""
        parts = [
            self._one(message, anchor if n == 0 else "")
            for n, message in enumerate(messages[:alike])
        ]
        if rest := len(messages) - alike:
            last = messages[-1].hops[0]
            place = f"up to frame {last.number} of {last.segment}"
            told = f"{count(rest, 'packet')} more like these, {place}"
            parts.append(
                fill('<p class="left-out">{told}.</p>', told=told) if rest > 0 else Markup("")
            )
        return join(parts)

    def _one(self, message: SeenMessage, anchor: str) -> Markup:
        return fill(
            '<div{ident} tabindex="-1"><p class="where">{where}</p>{cited}{layers}</div>',
            ident=fill(' id="{anchor}"', anchor=anchor) if anchor else Markup(""),
            where=self._where(message),
            cited=self._cited(message),
            layers=self._layers(message),
        )

    def _layers(self, message: SeenMessage) -> Markup:
        if self._left <= 0:
            run = shown(self._material.run_dir)
            told = f"Not decoded here, to keep the page small: lab decode {run} {message.frame.segment}"
            return fill('<p class="left-out">{told}</p>', told=told)
        self._left -= 1
        return layers(self._dissected(message.frame))

    def at(self, case: Case, segment: str, number: int) -> Dissected | None:
        """A packet by the wire and the number of the frame; None if the captures have none."""
        if segment == LINES:
            item = self._carried.get(number)
            return self._dissector.carried(item) if item is not None else None
        frame = self._frames(case, segment).get(number)
        return self._dissector.frame(frame) if frame is not None else None

    def _frames(self, case: Case, segment: str) -> dict[int, Frame]:
        if segment not in self._by_number:
            self._by_number[segment] = {frame.number: frame for frame in case.wire.get(segment, ())}
        return self._by_number[segment]

    def _dissected(self, frame: Frame) -> Dissected:
        if frame.segment == LINES and frame.number in self._carried:
            return self._dissector.carried(self._carried[frame.number])
        return self._dissector.frame(frame)

    def _where(self, message: SeenMessage) -> str:
        hops = []
        for hop in message.hops:
            hidden = f", inside {' and '.join(hop.inside)}" if hop.inside else ""
            at = seconds(hop.time - self._material.start)
            hops.append(f"{hop.segment} frame {hop.number} at {at}{hidden}")
        return "; ".join(hops)

    def _cited(self, message: SeenMessage) -> Markup:
        found = {
            requirement: verdict
            for hop in message.hops
            for requirement, verdict in self._material.cited.get((hop.segment, hop.number), ())
        }
        if not found:
            return Markup("")
        links = [
            fill(
                '<a href="#finding-{name}">{name} {mark}</a>', name=name, mark=MARKS_OF[verdict][1]
            )
            for name, verdict in found.items()
        ]
        return fill("<p>Findings that name it: {links}</p>", links=Markup(", ".join(links)))


def layers(dissected: Dissected) -> Markup:
    """All layers of a packet, from the link inwards."""
    return join(_layer(layer) for layer in dissected.layers)


def _layer(layer: Layer) -> Markup:
    fields = [
        fill("<dt>{name}</dt><dd>{value}</dd>", name=name, value=_cut(value))
        for name, value in layer.fields
    ]
    return fill(
        '<p class="layer">{title}</p>{fields}',
        title=layer.title,
        fields=fill("<dl>{fields}</dl>", fields=join(fields)) if fields else Markup(""),
    )


def _cut(value: str) -> str:
    return value if len(value) <= MOST_CHARACTERS else f"{value[:MOST_CHARACTERS]}…"
