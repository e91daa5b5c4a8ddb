"""Users of a node, as its files have them; and what they leave for the run directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.inside import shared
from lab.linux import users
from lab.linux.users import LocalUser

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
# a line that is none
esa:x:990:991:Agent:/var/lib/esa:/bin/sh
homeless:x:992:992:::/bin/sh
"""
GROUP = "root:x:0:\ndialout:x:20:uucp,esa\nesa:x:991:\ndip:x:30:other\nesa-log:x:31:esa\n"


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text(PASSWD)
    (tmp_path / "etc" / "group").write_text(GROUP)
    return os.fspath(tmp_path)


@pytest.mark.parametrize("wanted", ["esa", "990"])
def test_a_user_has_the_groups_of_initgroups(root: str, wanted: str) -> None:
    user = users.find(wanted, root)
    assert user == LocalUser("esa", 990, 991, (991, 20, 31), "/var/lib/esa")
    assert user.environment == {"HOME": "/var/lib/esa", "USER": "esa", "LOGNAME": "esa"}
    assert user.setpriv() == ["setpriv", "--reuid=990", "--regid=991", "--groups=991,20,31", "--"]


def test_who_has_no_home_is_at_the_root(root: str) -> None:
    user = users.find("homeless", root)
    assert user is not None
    assert user.home == "/"


def test_a_number_needs_no_account(root: str) -> None:
    user = users.find("4711", root)
    assert user == LocalUser("4711", 4711, 4711)
    assert "--clear-groups" in user.setpriv()


@pytest.mark.parametrize("wanted", ["nosuch", "-1", "4294967295", "", "# a line that is none"])
def test_who_is_unknown_is_no_user(root: str, wanted: str) -> None:
    assert users.find(wanted, root) is None


def test_where_there_are_no_accounts_nobody_is_known(tmp_path: Path) -> None:
    assert users.find("root", os.fspath(tmp_path)) is None


def test_an_unknown_user_is_named_with_the_fix() -> None:
    with pytest.raises(UsageError, match="there is no user 'nosuch' on this machine") as told:
        users.check_known_here("nosuch")
    assert "useradd nosuch" in told.value.hint
    assert users.check_known_here("root").uid == 0


def test_what_is_shared_is_taken_along_but_for_what_ends_with_the_lab(tmp_path: Path) -> None:
    place, target = tmp_path / "memory", tmp_path / "kept"
    (place / "folder").mkdir(parents=True)
    target.mkdir()
    (place / "folder" / "state").write_text("1\n")
    (place / "link").symlink_to("folder/state")
    os.mkfifo(place / "folder" / "pipe")

    shared._take_along(place, target)

    assert {os.fspath(path.relative_to(target)) for path in target.rglob("*")} == {
        "folder",
        "folder/state",
        "link",
    }
    assert (target / "link").read_text() == "1\n"
