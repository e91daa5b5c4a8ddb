"""``lab explain``: what a profile may do, what a firewall must allow for it, and what the lab has chosen."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.explain import choices, formats, needs, paste, text, versions
from lab.names import check_known
from lab.topology import catalogue, strict_yaml
from lab.topology.capability import WayOut
from lab.topology.catalogue import Profile, Region, Variant


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "profile", metavar="PROFILE", nargs="?", default="",
        help="a profile of the lab's own, or a .yaml file; all are listed without it",
    )  # fmt: skip
    parser.add_argument("--way", default="", help="the firewall's needs of one way only")
    parser.add_argument(
        "--region", choices=[each.value for each in Region], default=Region.all.value,
        help="the addresses of one region's customers only (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--variant", choices=[each.value for each in Variant if each],
        help="of a profile with two sets of addresses (default: ssl)",
    )  # fmt: skip
    parser.add_argument(
        "--nat", action=argparse.BooleanOptionalAction, default=False,
        help="the firewall hides the customer's addresses (default: it does not)",
    )  # fmt: skip
    parser.add_argument(
        "--ranges", action="store_true", help="recommended ranges in the place of their addresses"
    )
    parser.add_argument(
        "--source", metavar="ADDRESS", action="append", default=[],
        help="the address of whoever connects, for rules to be pasted; once for each version of IP",
    )  # fmt: skip
    parser.add_argument(
        "--against", metavar="OTHER", default="", help="what has changed since OTHER"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--format", choices=formats.FORMATS, help="the firewall's rules, to be pasted"
    )
    form.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    _check(args)
    if not args.profile:
        print(_list(as_json=args.json), end="")
        return 0
    scope = _scope(args)
    if args.format == "csv":
        print(formats.as_csv(needs.needs(scope)), end="")
    elif args.format:
        print(formats.PASTED[args.format](paste.paste(scope, tuple(args.source))), end="")
    else:
        other = profile_of(args.against) if args.against else None
        against = versions.differences(scope.profile, other) if other else None
        if args.json:
            print(json.dumps(_data(scope, against, args.against), indent=1))
        else:
            print(text.explanation(scope, choices.choices(), against, args.against), end="")
    return 0


def profile_of(name: str) -> Profile:
    """A profile by its name, or in a file."""
    if not strict_yaml.names_a_file(name):
        return catalogue.profile(name)
    from lab.topology import own_profile  # Not at the head: few profiles are the user's own.

    return own_profile.load(Path(name), name)


def _check(args: argparse.Namespace) -> None:
    """What goes together."""
    if args.source and args.format not in formats.PASTED:
        known = ", ".join(formats.PASTED)
        raise UsageError("--source is for rules to be pasted", hint=f"Add --format: {known}.")
    if args.against and args.format:
        raise UsageError("--against has no rules", hint="Leave --format out.")
    options = {"--way": args.way, "--against": args.against, "--format": args.format}
    if not args.profile and any(options.values()):
        given = next(name for name, value in options.items() if value)
        raise UsageError(f"{given} needs a profile", hint="`lab explain` lists them.")


def _scope(args: argparse.Namespace) -> needs.Scope:
    profile = profile_of(args.profile)
    there = needs.variants(profile)
    if args.variant and Variant(args.variant) not in there:
        raise UsageError(f"{profile.name} has no variants", hint="Leave --variant out.")
    default = Variant.ssl if Variant.ssl in there else Variant.none
    return needs.Scope(
        profile=profile,
        ways=(_way(profile, args.way),) if args.way else needs.ways_of(profile),
        region=Region(args.region),
        variant=Variant(args.variant) if args.variant else default,
        nat=args.nat,
        ranges=args.ranges,
    )


def _way(profile: Profile, way: str) -> str:
    """A way that a profile has; UsageError for one that there is not, Unsupported for one that it lacks."""
    check_known("way", way, (*WayOut, *needs.BESIDE))
    if way in needs.BESIDE:
        if way not in needs.ways_of(profile):
            raise UsageError(f"{profile.name} has nothing of {way}")
    else:
        profile.can.require(way, profile.name)
    return way


def _list(*, as_json: bool) -> str:
    known = [catalogue.profile(name) for name in catalogue.names()]
    if not as_json:
        return text.profiles(known)
    rows = [{"name": p.name, "title": p.title, "source": list(p.papers)} for p in known]
    return f"{json.dumps(rows, indent=1)}\n"


def _data(
    scope: needs.Scope, against: tuple[versions.Difference, ...] | None, other: str
) -> dict[str, Any]:
    profile = scope.profile
    capabilities = [
        {
            "group": group,
            "name": name,
            "level": said.level,
            "requirements": list(said.by),
            "section": said.at,
            "why": said.why,
        }
        for (group, name), said in profile.can.every.items()
    ]
    changes = None
    if against is not None:
        found = [dataclasses.asdict(difference) for difference in against]
        changes = {"profile": other, "differences": found}
    return {
        "profile": profile.name,
        "title": profile.title,
        "source": list(profile.papers),
        "region": scope.region,
        "variant": scope.variant,
        "nat": scope.nat,
        "ways": list(scope.ways),
        "capabilities": capabilities,
        "firewall": [dataclasses.asdict(need) for need in needs.needs(scope)],
        "notes": list(needs.notes(scope)),
        "choices": [dataclasses.asdict(choice) for choice in choices.choices()],
        "against": changes,
    }
