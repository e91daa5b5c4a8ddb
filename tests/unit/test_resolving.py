"""What the C library of a node reads to find names."""

from __future__ import annotations

import pytest

from lab.linux import resolving

OTHERS = "passwd:         files systemd\nnetworks:       files\n"


@pytest.mark.parametrize(
    "line",
    [
        "hosts:          files mdns4_minimal [NOTFOUND=return] dns",
        "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns",
        "hosts:\tfiles",
        "hosts: files dns",
    ],
)
def test_names_are_in_the_table_or_asked_for_whatever_the_machine_does(line: str) -> None:
    wanted = resolving.render_nsswitch(f"{OTHERS}{line}\n")

    assert wanted == f"{OTHERS}hosts: files dns\n"


def test_a_machine_that_says_nothing_of_names_is_left_alone() -> None:
    """The C library's own default is the table, and then DNS (nsswitch.conf(5))."""
    assert resolving.render_nsswitch(OTHERS) == OTHERS
    assert resolving.render_nsswitch("") == ""


def test_a_node_reads_files_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_surrounding_nsswitch", lambda: "hosts: files\n")

    found = resolving.files("hmc", [("192.0.2.1", "sdc")], "192.0.2.53")

    assert found == {
        "/etc/hosts": "127.0.0.1\tlocalhost hmc\n192.0.2.1\tsdc\n",
        "/etc/resolv.conf": "nameserver 192.0.2.53\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }
    monkeypatch.setattr(resolving, "_surrounding_nsswitch", lambda: "hosts: files dns\n")
    assert resolving.files("hmc", [], "")["/etc/resolv.conf"] == ""
    assert "/etc/nsswitch.conf" not in resolving.files("hmc", [], "")
