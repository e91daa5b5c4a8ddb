"""Pieces that several sections of a report are made of: tables, folds, times, sizes. Pure HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.markup import Markup, fill, join


def section(ident: str, heading: str, content: Markup) -> Markup:
    """A part of the page, with a heading of the second level."""
    return fill(
        '<section class="card" id="{ident}" aria-labelledby="{ident}-title" tabindex="-1">'
        '<h2 id="{ident}-title">{heading}</h2>{content}</section>\n',
        ident=ident,
        heading=heading,
        content=content,
    )


def fold(summary: str | Markup, content: Markup, *, prints: bool = False) -> Markup:
    """What is there to be opened; ``prints``: a printed page shows it all the same."""
    return fill(
        '<details class="fold{prints}"><summary>{summary}</summary>{content}</details>\n',
        prints=" prints" if prints else "",
        summary=summary,
        content=content,
    )


def table(
    ident: str, caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Markup]]
) -> Markup:
    """A table; the first cell of a row names the row. It scrolls by itself where the page is narrow.

    A column whose name begins with ``#`` has numbers.
    """
    numbers = [column.startswith("#") for column in columns]
    classes = [Markup(' class="n"') if number else Markup("") for number in numbers]
    head = [
        fill('<th scope="col"{kind}>{name}</th>', kind=kind, name=name.removeprefix("#"))
        for kind, name in zip(classes, columns, strict=True)
    ]
    lines = []
    for first, *rest in rows:
        cells = [
            fill("<td{kind}>{cell}</td>", kind=kind, cell=cell)
            for kind, cell in zip(classes[1:], rest, strict=True)
        ]
        row = '<tr><th scope="row"{kind}>{first}</th>{rest}</tr>'
        lines.append(fill(row, kind=classes[0], first=first, rest=join(cells)))
    return fill(
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="{ident}">'
        '<table><caption id="{ident}">{caption}</caption><thead><tr>{head}</tr></thead>'
        "<tbody>{lines}</tbody></table></div>\n",
        ident=ident,
        caption=caption,
        head=join(head),
        lines=join(lines),
    )


def listing(ident: str, label: str, text: str, kind: str = "") -> Markup:
    """A text as it is, which can be reached by keyboard to be scrolled."""
    return fill(
        '<pre id="{ident}" class="{kind}" tabindex="0" role="region" aria-label="{label}">{text}</pre>',
        ident=ident,
        kind=kind,
        label=label,
        text=text,
    )


def copied(ident: str, label: str, text: str) -> Markup:
    """A text that is made to be copied; the button is there where scripts run."""
    return fill(
        '{text}<button type="button" class="copy" hidden data-of="{ident}">Copy</button>',
        text=listing(ident, label, text, "command"),
        ident=ident,
    )


def seconds(since: float) -> str:
    """``0.013 s``, ``4.6 s``, ``3:05:09``, ``41 d 3:05:09``."""
    if since < 10:
        return f"{since:.3f} s"
    if since < 600:
        return f"{since:.1f} s"
    minutes, left = divmod(int(since), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours}:{minutes:02d}:{left:02d}"
    return f"{days} d {clock}" if days else clock


def size(octets: int) -> str:
    """``312 B``, ``8.3 kB``, ``1.2 MB``."""
    if octets < 1000:
        return f"{octets} B"
    if octets < 1_000_000:
        return f"{octets / 1000:.1f} kB"
    return f"{octets / 1_000_000:.1f} MB"
