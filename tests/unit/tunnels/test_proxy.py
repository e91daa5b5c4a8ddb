"""squid's configuration as text, and its access log as events; squid itself, on loopback, without a lab."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.topology import load, resolve
from lab.topology.proxy import HttpProxy, ProxyRefusal
from tunnels import proxy as squid

LISTED = ("129.42.56.189", "129.42.60.189", "129.42.54.189")


def proxies(name: str) -> tuple[HttpProxy, ...]:
    return resolve.resolve(load.load(name), b"golden").proxies


def rules(proxy: HttpProxy) -> list[str]:
    """What squid is told of access, in order."""
    wanted = ("http_access", "acl", "deny_info", "auth_param")
    return [line for line in squid.render(proxy).splitlines() if line.split()[0] in wanted]


def test_users_connect_to_listed_servers_by_port_443() -> None:
    (proxy,) = proxies("proxy")
    assert rules(proxy) == [
        "acl users src 192.168.10.0/24",
        "acl connecting method CONNECT",
        "acl https port 443",
        "http_access deny !users",
        "http_access deny !connecting",
        "http_access deny !https",
        *(f"acl listed dst {address}" for address in LISTED),
        "http_access deny !listed",
        "http_access allow all",
    ]
    assert "http_port 192.168.10.21:3128" in squid.render(proxy).splitlines()
    assert squid.render_passwords(proxy) == ""


def test_destinations_may_be_any() -> None:
    (proxy,) = proxies("proxy")
    assert not any("listed" in line for line in rules(replace(proxy, destinations=())))


def test_a_log_in_comes_last_and_no_password_is_written() -> None:
    """So that what is refused is refused to whoever has not logged in, too."""
    (proxy,) = proxies("proxy-auth")
    assert rules(proxy)[-3:] == [
        "acl known proxy_auth REQUIRED",
        "http_access deny !known",
        "http_access allow all",
    ]
    assert proxy.account is not None
    password = proxy.account.password.reveal()
    written = squid.render_passwords(proxy)
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    assert written == f"callhome:{digest}\n"
    assert password not in written + squid.render(proxy)


def test_a_second_proxy_has_a_port_of_its_own() -> None:
    assert [f"{proxy.name}:{proxy.port}" for proxy in proxies("proxy-failover")] == [
        "proxy-2.customer.test:3128",
        "proxy-3.customer.test:8080",
    ]


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (ProxyRefusal.connect, "http_access deny connecting"),
        (ProxyRefusal.busy, "http_access deny connecting another"),
    ],
)
def test_a_refusal_comes_before_every_other_rule(refusal: ProxyRefusal, line: str) -> None:
    (proxy,) = proxies("proxy")
    access = [each for each in rules(replace(proxy, refusal=refusal)) if "http_access" in each]
    assert access[0] == line


@pytest.mark.skipif(not Path(squid.PROGRAM).exists(), reason="needs squid: lab setup squid")
@pytest.mark.parametrize("refusal", ProxyRefusal)
@pytest.mark.parametrize("name", ["proxy", "proxy-auth", "proxy-failover"])
def test_squid_takes_it(name: str, refusal: ProxyRefusal, tmp_path: Path) -> None:
    """Its parser knows every word, and warns of none."""
    for number, proxy in enumerate(proxies(name)):
        written = tmp_path / f"{number}.conf"
        text = squid.render(replace(proxy, refusal=refusal)).replace(squid.FOLDER, f"{tmp_path}")
        (tmp_path / "passwords").write_text(squid.render_passwords(proxy))
        written.write_text(text)
        done = subprocess.run(
            [squid.PROGRAM, "-k", "parse", "-f", f"{written}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        faults = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
        assert faults == []


@pytest.mark.skipif(not shutil.which(squid.LOG_IN_HELPER), reason="needs squid: lab setup squid")
def test_the_log_in_helper_knows_the_password_and_no_other(tmp_path: Path) -> None:
    (proxy,) = proxies("proxy-auth")
    assert proxy.account is not None
    file = tmp_path / "passwords"
    file.write_text(squid.render_passwords(proxy))
    right = f"{proxy.account.user} {proxy.account.password.reveal()}"
    done = subprocess.run(
        [squid.LOG_IN_HELPER, f"{file}"],
        input=f"{right}\n{right}x\nnobody x\n",
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["OK", "ERR", "ERR"]


def test_the_access_log_is_read() -> None:
    reached = squid.parse("1795.976 10.0.0.1 CONNECT a.test:443 200 192.0.2.1", "proxy-1")
    assert (reached.source, reached.time, reached.client) == ("proxy-1", 1795.976, "10.0.0.1")
    assert (reached.method, reached.target, reached.status) == ("CONNECT", "a.test:443", 200)
    assert reached.server == "192.0.2.1"
    assert squid.parse("1.000 10.0.0.1 CONNECT a:443 403 -", "p").server == ""
    with pytest.raises(ValueError, match="unpack"):
        squid.parse("rubbish", "p")
