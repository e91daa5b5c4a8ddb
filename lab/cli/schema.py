"""`lab schema`: the JSON schema of topology files, of profiles, or of families of modems, for editors."""

from __future__ import annotations

import argparse
import json

from lab.topology import schema


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "With the YAML language server: lab schema > topology.schema.json, and as the first line "
        "of a topology: # yaml-language-server: $schema=topology.schema.json"
    )
    parser.add_argument(
        "of", nargs="?", choices=("topology", "profile", "modem"), default="topology",
        help="of which files (default: topology)",
    )  # fmt: skip
    # As of every command that reads; it has no other output.
    parser.add_argument("--json", action="store_true", help="as JSON on stdout, which it is anyway")


def run(args: argparse.Namespace) -> int:
    schemas = {"profile": schema.profile_schema, "modem": schema.modem_schema}
    made = schemas.get(args.of, schema.schema)()
    print(json.dumps(made, indent=1))
    return 0
