"""A dialler of the user's own, where the lab leaves the way home down: pppd and chat, right and wrong."""

from __future__ import annotations

import pytest

from tests.integration.labs import Runs

pytestmark = pytest.mark.kernel

PPPD = (
    "pppd /dev/modem0 115200 lock modem crtscts noipv6 nodetach noipdefault ipcp-accept-remote "
    "ipcp-accept-local usepeerdns defaultroute maxfail 1"
)
CHAT = "chat -t {wait} ABORT ERROR ABORT 'NO CARRIER' '' {init} OK ATDT$n CONNECT ''"
ALONE = "ip route del default"
# ip-up, which tells the host of the name server, runs beside what comes after pppd.
CALL = "sleep 1 && curl -sS --cacert $LAB_CA_FILE $LAB_SERVER"


def dial(
    *,
    number: str = "${LAB_NUMBERS%%,*}",
    init: str = "ATZ",
    wait: int = 70,
    options: str = "noauth",
) -> str:
    """A shell's line that dials, and ends with pppd's status if PPP does not come up."""
    chat = CHAT.format(init=init, wait=wait)
    return f'n={number}; {PPPD} {options} user $LAB_USER updetach connect "{chat}"'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{ALONE}; {dial()} && {CALL}", ""),
        (f"{dial()} && {CALL}", "sends what is for the name server 203.0.113.53 by lan"),
        (f"{ALONE}; {dial()} && curl -sSm 60 https://129.42.160.51/", "hmc calls 129.42.160.51 by"),
        (f"{ALONE}; {dial()} && sleep 1 && curl -sS https://x.ibm.com/", "x.ibm.com is not known"),
        (dial(number="5551234"), "hmc dialled 5551234, which is out of service"),
        (dial(init="ATQ1", wait=20), "was told ATQ1"),
        (dial(init="'AT&Y9!'", wait=20), "answers AT&Y9! with ERROR"),
        (dial(wait=3), "before the modems were connected"),
        (dial(options="noauth refuse-pap"), "hmc refuses PAP"),
        (dial(options="noauth user nobody password x"), "lig refuses the user id or the password"),
        (dial(options="auth"), "asks lig to authenticate itself"),
        ("false", ""),
    ],
)
def test_it_is_told_why_it_did_not_get_through(runs: Runs, line: str, told: str) -> None:
    ran = runs.get("dial", "--no-path", "--", "sh", "-c", line)

    assert (ran.status == 0) == (not told and line != "false"), ran.told
    diagnosis = ran.verdict.get("diagnosis", "")
    assert told in diagnosis
    assert bool(told) == bool(diagnosis), diagnosis
    assert not ran.failed
