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
    assert resolving.files("hmc", [("192.0.2.1", "sdc")], "192.0.2.53") == {
        "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\thmc\n192.0.2.1\tsdc\n",
        "/etc/resolv.conf": "nameserver 192.0.2.53\n",
    }
    assert resolving.files("hmc", [], "")["/etc/resolv.conf"] == ""

    monkeypatch.setattr(resolving, "_surrounding_nsswitch", lambda: "hosts: files\n")
    assert resolving.own_nsswitch() == "hosts: files dns\n"
    monkeypatch.setattr(resolving, "_surrounding_nsswitch", lambda: "hosts: files dns\n")
    assert resolving.own_nsswitch() is None


def test_a_nodes_own_name_leads_to_its_own_address_by_its_full_name() -> None:
    """hostname(1) says what stands first in the line in which the name is found."""
    table = [
        ("127.0.0.1", "localhost"),
        ("192.0.2.2", "firewall.customer.test"),
        ("192.0.2.2", "firewall"),
        ("192.0.2.1", "hmc.customer.test"),
        ("192.0.2.1", "hmc"),
        ("2001:db8::1", "hmc.customer.test"),
        ("2001:db8::1", "hmc"),
    ]
    others = ["192.0.2.2\tfirewall.customer.test", "192.0.2.2\tfirewall"]

    assert resolving.render_hosts("hmc", table).splitlines() == [
        "127.0.0.1\tlocalhost",
        *others,
        "192.0.2.1\thmc.customer.test hmc",
        "2001:db8::1\thmc.customer.test hmc",
    ]
    assert resolving.render_hosts("cec", table[:3]).splitlines() == [
        "127.0.0.1\tlocalhost",
        "127.0.1.1\tcec",
        *others,
    ]
