"""Proposals as strongSwan spells them."""

from __future__ import annotations

import re

import pytest

from lab.ways.vpn import proposal
from lab.ways.vpn.proposal import Proposal


@pytest.mark.parametrize(
    ("text", "ike", "read"),
    [
        ("3des-md5-modp1024", True, Proposal("3des", "md5", "modp1024")),
        ("aes256gcm16-prfsha384-ecp384", True, Proposal("aes256gcm16", "sha384", "ecp384")),
        ("AES128-SHA256", False, Proposal("aes128", "sha256")),
        ("aes128gcm16-curve25519", False, Proposal("aes128gcm16", "", "curve25519")),
    ],
)
def test_it_is_read(text: str, ike: bool, read: Proposal) -> None:
    assert proposal.parse(text, ike=ike) == read


@pytest.mark.parametrize(
    ("text", "ike", "wrong", "known"),
    [
        ("", True, "must be a proposal", "3des-md5-modp1024"),
        ("des-md5-modp1024", True, "'des'", "3des, aes128"),
        ("aes128-md4-modp1024", True, "'md4'", "md5, sha1"),
        ("aes128", False, "has nothing", "md5, sha1"),
        ("aes128-sha256", True, "lacks a group", "modp1024, modp1536"),
        ("aes128-sha256-modp768", True, "'modp768'", "modp1024, modp1536"),
        ("aes128-sha256-modp2048-esn", False, "'esn'", "modp1024"),
        ("aes128gcm16-sha256-modp2048", True, "'sha256'", "prfmd5, prfsha1"),
        ("aes128gcm16-sha256", False, "'sha256'", "modp1024"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_known(
    text: str, ike: bool, wrong: str, known: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)) as raised:
        proposal.parse(text, ike=ike)
    assert known in str(raised.value)
    assert not text or repr(text) in str(raised.value)
