"""What a run gives to Wireshark: keys as a configuration folder, and captures that say what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.verify.case import Case
    from lab.verify.verdict import Result


def write_profile(case: Case) -> None:
    """Write ``keys/wireshark/``, made of the run's own keys."""
    from lab.dissect.naming import names_of
    from lab.ways.vpn import plan as vpn
    from lab.wireshark import ike_keys, profile

    run_dir = case.run_dir.absolute()
    esp = [key for keys in case.keys.values() for key in keys]
    names = names_of(case.topology, case.record)
    ike = ike_keys.read(run_dir / "keys")
    aes_192 = any(
        "aes192" in line.client_side.ike_proposal for line in vpn.connections(case.topology)
    )
    key_log = run_dir / profile.KEY_LOG
    profile.write(run_dir, profile.files(esp, ike, names, key_log, aes_192=aes_192))


def annotate(case: Case, result: Result) -> None:
    """Say in each capture of ``wire/`` what it has; a writer of ``lab.report``."""
    from lab.wireshark import notes

    notes.write(case, result)
