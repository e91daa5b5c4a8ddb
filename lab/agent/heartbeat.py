"""What the reference agent says in a heartbeat: who calls, and its ``hmc.eed`` (E-22).

Pure text, the same for the same machine. Machine data only, nothing of a customer's (E-11).
"""

from __future__ import annotations

import json
from binascii import crc32

AGENT = "callhome-lab-reference-agent/1.0"


def system_of(node: str) -> str:
    """A machine type, model and serial for a node, always the same one (E-07)."""
    return f"7042-CR9*21{crc32(node.encode()) & 0xFFFFF:05X}"


def heartbeat(system: str) -> bytes:
    """The heartbeat's JSON text: who calls, and its ``hmc.eed``."""
    members = {
        "kind": "heartbeat",
        "system": system,
        "agent": AGENT,
        "files": {"hmc.eed": configuration(system)},
    }
    return json.dumps(members).encode()


def configuration(system: str) -> str:
    """``hmc.eed``: the output of ``lshmc -V`` and ``lssysconn -r all`` (S3, S4 "Data").

    About 6 KB, so that a call home needs packets of full size, and a path with a wrong MTU fails.
    """
    level = (
        "$ lshmc -V\n"
        '"version= Version: 8\n Release: 8.7.0\n Service Pack: 0\n'
        "HMC Build level 20171108.1\n"
        'MH01720: Required fix for HMC V8R8.7.0 (11-08-2017)\n","base_version=V8R8.7.0\n"\n'
    )
    serial = system.rpartition("*")[2]
    systems = "".join(
        f"resource_type=sys,type_model_serial_num=8284-22A*{serial[:2]}{number:05X},sp=unavailable,"
        f"sp_phys_loc=unavailable,ipaddr=10.253.{number // 250}.{number % 250 + 2},"
        "alt_ipaddr=unavailable,state=Connected\n"
        for number in range(1, 37)
    )
    return f"{level}$ lssysconn -r all\n{systems}"
