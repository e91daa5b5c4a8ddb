"""PAM, as far as this machine can be asked without an account to log in with."""

from __future__ import annotations

import sys

import pytest

from lab.agent.web.accounts import SERVICE, PamAccounts
from lab.errors import PrerequisiteError


def test_pam_denies_a_user_that_nobody_has() -> None:
    """The library, libpam and this machine's modules are real; tests/integration has whom PAM lets in."""
    assert SERVICE == "login"
    assert PamAccounts().refusal("callhome-lab-nobody", "guessed") not in ("", "None")


def test_a_nul_ends_no_name() -> None:
    assert "NUL" in PamAccounts().refusal("root\0x", "guessed")


def test_without_the_package_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pam", None)
    with pytest.raises(PrerequisiteError, match="cannot ask PAM") as caught:
        PamAccounts()
    assert "python-pam" in caught.value.hint
