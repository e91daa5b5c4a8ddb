"""Text for sshd and ssh: accounts, and what a client is told."""

from __future__ import annotations

import subprocess

from lab.service.server import accounts, sshd
from lab.service.server.accounts import ACCOUNTS, CLERK, REPRESENTATIVE

SURROUNDING = "root:x:0:0:root:/root:/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n"


def test_the_accounts_come_first_and_have_no_password() -> None:
    first, second, *others = accounts.passwd(SURROUNDING, ACCOUNTS).splitlines()
    assert first == "representative:*:59001:59001:callhome-lab:/:/bin/sh"
    assert second.startswith("clerk:*:59002:")
    assert others == SURROUNDING.splitlines()


def test_a_user_of_the_machine_does_not_take_an_accounts_name() -> None:
    text = accounts.passwd(f"{SURROUNDING}clerk:x:1000:1000::/home/clerk:/bin/bash\n", ACCOUNTS)
    assert text.count("clerk:") == 1


def test_sshd_has_its_user_where_the_machine_has_none() -> None:
    assert (
        accounts.passwd("root:x:0:0::/:/bin/sh\n", ACCOUNTS).splitlines()[-1].startswith("sshd:*:")
    )


def test_each_user_has_its_own_key_at_the_server_and_nowhere_else() -> None:
    text = accounts.ssh_config([("service", "10.2.0.30")], ACCOUNTS)
    for account in (REPRESENTATIVE, CLERK):
        assert keys_of(text, f"{account.name}@service") == [f"/run/lab/ssh/{account.name}", "none"]
        assert keys_of(text, f"{account.name}@10.2.0.30") == [
            f"/run/lab/ssh/{account.name}",
            "none",
        ]
        assert keys_of(text, f"{account.name}@elsewhere") == ["none"]
    assert keys_of(text, "visitor@service") == ["none"]


def keys_of(config: str, there: str) -> list[str]:
    """Which keys ssh would take."""
    done = subprocess.run(
        ["ssh", "-G", "-F", "/dev/stdin", there], input=config, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    found = {name: value for name, _, value in lines}
    assert (found["batchmode"], found["stricthostkeychecking"]) == ("yes", "true")
    return [value for name, _, value in lines if name == "identityfile"]


def test_the_server_lets_nobody_have_more_than_the_tool() -> None:
    text = sshd.config(["clerk"], "/run/lab/lab-service", penalties=False)
    options = dict(line.split(" ", 1) for line in text.splitlines())
    assert options["ForceCommand"] == "/run/lab/lab-service"
    for name in ("PasswordAuthentication", "KbdInteractiveAuthentication", "PermitTTY", "PermitUserRC",
                 "PermitUserEnvironment", "PermitRootLogin"):  # fmt: skip
        assert options[name] == "no"
    assert (options["DisableForwarding"], options["AllowUsers"]) == ("yes", "clerk")
    assert options["KexAlgorithms"] == "-sntrup761*"
    assert "PerSourcePenalties no" in sshd.config(["clerk"], "x", penalties=True)
