"""The JSON schemas of topology files and of profiles: what their specs say, and the closed vocabularies."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lab.topology import catalogue, modem_family
from lab.topology.claims import requirement_ids
from lab.topology.spec import TopologySpec
from lab.topology.values import LINK_NAME, MAX_NODE_NAME, NODE_NAME

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, with profiles and requirement IDs as enumerations."""
    result: dict[str, Any] = _tidy(TopologySpec.model_json_schema(by_alias=True))
    properties = result["properties"]
    own = {"pattern": r"/|\.ya?ml$", "description": "A file, relative to this one."}
    properties["profile"]["anyOf"] = [{"enum": list(catalogue.names())}, own]
    modem = result["$defs"]["LineSpec"]["properties"]["modem"]
    modem["anyOf"] = [{"enum": list(modem_family.names())}, own, {"type": "null"}]
    properties["expect"]["items"]["enum"] = list(requirement_ids())
    properties["expect"]["uniqueItems"] = True
    for key in ("nodes", "telephone", "agents"):
        properties[key]["propertyNames"] = {"pattern": NODE_NAME, "maxLength": MAX_NODE_NAME}
    for key in ("links", "ways", "user_targets"):
        properties[key]["propertyNames"] = {"pattern": LINK_NAME, "maxLength": 15}
    return {"$schema": DIALECT, "title": "callhome-lab topology", **result}


def profile_schema() -> dict[str, Any]:
    """The schema of a profile of the user's own."""
    from lab.topology.own_profile import (
        OwnProfile,  # Not at the head: the other schema needs it not.
    )

    result: dict[str, Any] = _tidy(OwnProfile.model_json_schema(by_alias=True))
    return {"$schema": DIALECT, "title": "callhome-lab profile", **result}


def modem_schema() -> dict[str, Any]:
    """The schema of a family of modems of the user's own."""
    # By name, as roles name their services: telephony is above topology.
    spec = import_module("lab.telephony.family_file").FamilySpec
    result: dict[str, Any] = _tidy(spec.model_json_schema(by_alias=True))
    return {"$schema": DIALECT, "title": "callhome-lab family of modems", **result}


def _tidy(part: Any) -> Any:
    """Take out generated titles, and defaults in another unit than the user writes."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part

    tidy = {key: _tidy(value) for key, value in part.items()}
    if isinstance(part.get("title"), str):
        del tidy["title"]
    if part.get("type") == "string" and not isinstance(part.get("default", ""), str):
        del tidy["default"]

    return tidy
