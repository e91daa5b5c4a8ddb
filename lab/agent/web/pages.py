"""Pages of HTML, made of data: pure functions. Everything that is not ``Markup`` is escaped.

Without scripts, and without styles of its own beside ``style.css``: the Content-Security-Policy of ``desk``
permits none. WCAG 2.2 AA is the aim: landmarks, one heading of the first level, labels, tones in words, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from lab.agent.web.sheet import (
    PATH,
    Demand,
    FactList,
    FormBlock,
    FormEntry,
    Grid,
    Instant,
    Listing,
    Place,
    Sheet,
    Shown,
    Tone,
    Value,
)
from lab.markup import Markup, fill, join

PRODUCT = "Electronic Service Agent"
_ENTRY_CHARACTERS = 512

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" '
    'fill="#0b57d0"/><path d="M4 11V5h6M4 8h5" stroke="#fff" stroke-width="2" fill="none"/>'
    '<circle cx="11.5" cy="11" r="1.5" fill="#fff"/></svg>'
)


class Reader:
    """Whom a page is for."""

    def __init__(self, user: str = "", token: str = "") -> None:
        self.user = user
        """Empty: nobody has logged in."""
        self.token = token
        """What the forms of this session have in their field ``token``."""


def sheet_page(
    place: Place,
    sheet: Sheet,
    system: str,
    reader: Reader,
    notice: Shown | None = None,
    given: Mapping[str, str] | None = None,
) -> str:
    """A page of the navigation; ``given`` is what somebody filled in before, and gets back."""
    content = [fill('<p class="lead">{lead}</p>', lead=sheet.lead)]
    if place is Place.demand:
        content += [_demand_form(demand, reader.token) for demand in Demand]
    for number, block in enumerate(sheet.blocks):
        if isinstance(block, FormBlock):
            content.append(_form_block(block, place, reader.token, given or {}))
        else:
            content.append(_block(block, place, number))
    return _document(place.heading, system, reader, join(content), notice, place)


def login_page(
    system: str, token: str, to: Place, notice: Shown | None = None, user: str = ""
) -> str:
    """The form that asks for user and password; ``to`` is where the reader wanted to go."""
    form = fill(
        '<form class="card narrow" method="post" action="{path}/login">{token}'
        '<input type="hidden" name="to" value="{to}">'
        '<p class="lead">Log in with an account of this system.</p>'
        '<label for="user">User</label>'
        '<input id="user" name="user" value="{user}" maxlength="64" required autocomplete="username" '
        'autocapitalize="none" spellcheck="false"{focus_user}>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" maxlength="512" required '
        'autocomplete="current-password"{focus_password}>'
        '<button type="submit">Log in</button></form>',
        path=PATH,
        token=_token(token),
        to=to,
        user=user,
        focus_user=Markup("" if user else " autofocus"),
        focus_password=Markup(" autofocus" if user else ""),
    )
    return _document("Log in", system, Reader(), form, notice)


def message_page(title: str, text: str, system: str, reader: Reader) -> str:
    """A page that says one thing, such as why a request was refused."""
    content = fill(
        '<p class="lead">{text}</p><p><a href="{path}">Go to the status</a></p>',
        text=text,
        path=PATH,
    )
    return _document(title, system, reader, content, None)


def _document(
    title: str,
    system: str,
    reader: Reader,
    content: Markup,
    notice: Shown | None,
    place: Place | None = None,
) -> str:
    return fill(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<title>{title} - {product} on {system}</title>"
        '<link rel="icon" type="image/svg+xml" href="{path}/icon.svg">'
        '<link rel="stylesheet" href="{path}/style.css"></head>\n<body>'
        '<a class="skip" href="#content">Skip to the content</a>'
        '<header><p class="product">{product}</p><p class="system">{system}</p>{session}</header>'
        '{navigation}<main id="content" tabindex="-1"><h1>{title}</h1>{notice}{content}</main>'
        "</body></html>\n",
        title=title,
        product=PRODUCT,
        system=system,
        path=PATH,
        session=_session(reader),
        navigation=_navigation(place) if reader.user else Markup(""),
        notice=_notice(notice),
        content=content,
    )


def _session(reader: Reader) -> Markup:
    if not reader.user:
        return Markup("")
    return fill(
        '<form class="session" method="post" action="{path}/logout">{token}'
        '<span>Logged in as <strong>{user}</strong></span><button type="submit">Log out</button></form>',
        path=PATH,
        token=_token(reader.token),
        user=reader.user,
    )


def _navigation(place: Place | None) -> Markup:
    links = [
        fill(
            '<li><a href="{path}/{name}"{current}>{title}</a></li>',
            path=PATH,
            name=each,
            title=each.heading,
            current=Markup(' aria-current="page"' if each is place else ""),
        )
        for each in Place
    ]
    return fill('<nav aria-label="Pages"><ul>{links}</ul></nav>', links=join(links))


def _notice(notice: Shown | None) -> Markup:
    if notice is None:
        return Markup("")
    return fill(
        '<p class="notice {tone}" role="{role}">{text}</p>',
        tone=notice.tone,
        role="alert" if notice.tone is Tone.bad else "status",
        text=notice.text,
    )


def _token(token: str) -> Markup:
    return fill('<input type="hidden" name="token" value="{token}">', token=token)


def _demand_form(demand: Demand, token: str) -> Markup:
    return fill(
        '<form class="card demand" method="post" action="{path}/demand">{token}'
        '<input type="hidden" name="demand" value="{name}">'
        '<h2 id="{name}-title">{title}</h2><p id="{name}-what">{what}</p>'
        '<button type="submit" aria-describedby="{name}-what">{title}</button></form>',
        path=PATH,
        token=_token(token),
        name=demand,
        title=demand.heading,
        what=demand.what,
    )


def _form_block(
    form_block: FormBlock, place: Place, token: str, given: Mapping[str, str]
) -> Markup:
    hidden = [
        fill('<input type="hidden" name="{name}" value="{value}">', name=name, value=value)
        for name, value in form_block.hidden
    ]
    groups = [
        fill(
            '<fieldset><legend>{heading}</legend><p id="{name}-what">{what}</p>'
            '<div class="entries">{entries}</div></fieldset>',
            heading=group.heading,
            what=group.what,
            name=f"group-{number}",
            entries=join(
                [_entry(each, given.get(each.name, each.value)) for each in group.entries]
            ),
        )
        for number, group in enumerate(form_block.groups)
    ]
    return fill(
        '<form class="card settings" method="post" action="{path}/{place}">{token}{hidden}'
        '<h2>{heading}</h2>{groups}<button type="submit">{button}</button></form>',
        path=PATH,
        place=place,
        token=_token(token),
        hidden=join(hidden),
        heading=form_block.heading,
        groups=join(groups),
        button=form_block.button,
    )


def _entry(entry: FormEntry, value: str) -> Markup:
    if entry.choices:
        options = [
            fill(
                '<option value="{value}"{chosen}>{words}</option>',
                value=each,
                words=words,
                chosen=Markup(" selected" if each == value else ""),
            )
            for each, words in entry.choices
        ]
        control = fill('<select id="{n}" name="{n}">{o}</select>', n=entry.name, o=join(options))
    else:
        control = fill(
            '<input id="{n}" name="{n}" value="{v}" maxlength="{m}" autocomplete="off" '
            'autocapitalize="none" spellcheck="false">',
            n=entry.name,
            v=value,
            m=str(_ENTRY_CHARACTERS),
        )
    return fill(
        '<div><label for="{n}">{label}</label>{c}</div>', n=entry.name, label=entry.label, c=control
    )


def _block(block: FactList | Grid | Listing, place: Place, number: int) -> Markup:
    if isinstance(block, FactList):
        return _fact_list(block)
    if isinstance(block, Listing):
        return fill(
            '<section class="card"><h2 id="listing-{number}">{heading}</h2>'
            '<pre tabindex="0" role="region" aria-labelledby="listing-{number}">{text}</pre></section>',
            number=str(number),
            heading=block.heading,
            text=block.text,
        )
    return _grid(block, place, number)


def _fact_list(block: FactList) -> Markup:
    facts = [
        fill("<div><dt>{name}</dt><dd>{value}</dd></div>", name=name, value=_value(value))
        for name, value in block.facts
    ]
    return fill(
        '<section class="card"><h2>{heading}</h2><dl>{facts}</dl></section>',
        heading=block.heading,
        facts=join(facts),
    )


def _grid(block: Grid, place: Place, number: int) -> Markup:
    if not block.rows:
        return fill(
            '<section class="card"><h2>{heading}</h2><p class="empty">{empty}</p></section>',
            heading=block.heading,
            empty=block.empty,
        )
    columns = [fill('<th scope="col">{column}</th>', column=column) for column in block.columns]
    rows = [
        fill(
            "<tr>{cells}</tr>",
            cells=join([fill("<td>{value}</td>", value=_value(value)) for value in row]),
        )
        for row in block.rows
    ]
    return fill(
        '<section class="card"><h2 id="grid-{number}">{heading}</h2>'
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="grid-{number}"><table>'
        "<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>{turning}</section>",
        number=str(number),
        heading=block.heading,
        columns=join(columns),
        rows=join(rows),
        turning=_turning(block, place),
    )


def _turning(block: Grid, place: Place) -> Markup:
    """Links to the pages before and after."""
    if block.pages < 2:
        return Markup("")
    links = [
        fill(
            '<a href="{path}/{place}?page={page}" rel="{rel}">{word}</a>',
            path=PATH,
            place=place,
            page=str(page),
            rel=rel,
            word=word,
        )
        for page, rel, word in (
            (block.page - 1, "prev", "Newer"),
            (block.page + 1, "next", "Older"),
        )
        if 0 < page <= block.pages
    ]
    return fill(
        '<nav class="turning" aria-label="{heading}: pages">'
        "<span>Page {page} of {pages}</span>{links}</nav>",
        heading=block.heading,
        page=str(block.page),
        pages=str(block.pages),
        links=join(links),
    )


def _value(value: Value) -> Markup:
    if isinstance(value, Instant):
        return _instant(value.seconds)
    if isinstance(value, Shown):
        return fill('<span class="tone {tone}">{text}</span>', tone=value.tone, text=value.text)
    return fill("{value}", value=value)


def _instant(seconds: float) -> Markup:
    """In UTC, as the papers' transactions span time zones."""
    try:
        instant = time.gmtime(seconds)
    except (OverflowError, OSError, ValueError):  # a damaged file may hold any number
        return fill("{text}", text=f"an impossible time ({seconds!r})")
    return fill(
        '<time datetime="{machine}">{people}</time>',
        machine=time.strftime("%Y-%m-%dT%H:%M:%SZ", instant),
        people=time.strftime("%Y-%m-%d %H:%M:%S UTC", instant),
    )
