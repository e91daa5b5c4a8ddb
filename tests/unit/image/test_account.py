"""USER of an image, as container engines read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.image import account

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\nagent:x:1234:1300::/srv/agent:/bin/sh\nbroken\nbad:x:y:z::/:\n"
)
GROUP = "root:x:0:\nagents:x:1300:\ndialout:x:20:other,agent\nadm:x:4:agent\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("PASSWD", PASSWD), ("GROUP", GROUP)):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(account, name, str(tmp_path / name))
    return tmp_path


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (0, 0, (), "/root")),
        ("agent", (1234, 1300, (20, 4), "/srv/agent")),
        ("1234", (1234, 1300, (20, 4), "/srv/agent")),
        ("agent:dialout", (1234, 20, (), "/srv/agent")),
        ("agent:77", (1234, 77, (), "/srv/agent")),
        ("77", (77, 0, (), "/")),
        ("77:88", (77, 88, (), "/")),
    ],
)
def test_who(user: str, expected: tuple[int, int, tuple[int, ...], str]) -> None:
    assert account.of(user, "i") == account.ImageAccount(*expected)


@pytest.mark.parametrize(
    ("user", "what"), [("nobody", "user 'nobody'"), ("agent:x", "group 'x'"), ("bad", "user")]
)
def test_a_name_that_the_image_does_not_know(user: str, what: str) -> None:
    with pytest.raises(UsageError, match=f"there is no {what}.* in the image i\n"):
        account.of(user, "i")


def test_an_image_without_accounts(files: Path) -> None:
    (files / "PASSWD").unlink()
    (files / "GROUP").unlink()
    assert account.of("", "i") == account.ImageAccount(0, 0, (), "/root")
    assert account.of("root", "i").uid == 0
    assert account.of("5:6", "i") == account.ImageAccount(5, 6, (), "/")
