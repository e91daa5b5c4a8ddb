"""A DS8000's terminal in a session by VPN, by hand: the panel, the representative's commands, strangers."""

from __future__ import annotations

import shlex
import socket

import pytest

from lab.errors import LabError
from lab.run.handle import Lab
from lab.scenarios import test_remote_service as remote
from lab.scenarios.test_remote_service import CALL_S, by_hand
from lab.scenarios.test_service_terminal import programs, status, wait_for_off
from lab.service.terminal import ASK_USER, TOO_MANY
from lab.service.typist import Typist
from lab.topology.terminal import TERMINAL_PORT
from lab.wait import let_pass

SERVER = "service"
WRONG = "0" * 32
STANDS = "a session stands by vpn: PPP address 10.254.1.2, to hmc"


def connect(lab: Lab, options: str = "") -> str:
    return remote.connect(lab, options, server=SERVER)


def by_ssh(lab: Lab, words: str) -> str:
    argv = ["ssh", f"representative@{SERVER}", words]
    return lab.node("intranet").run(argv, deadline_s=CALL_S).strip()


def typed(lab: Lab, command: str) -> str:
    return by_ssh(lab, f"type {shlex.quote(command)}")


@pytest.mark.topology("service-ds8000-vpn")
class TestTerminalByVpn:
    """A life, in this order."""

    def test_a_session_is_nobodys_until_somebody_logs_in(self, lab: Lab) -> None:
        assert by_hand(lab, "hmc", "lab-inbound enable") == STANDS
        for options in (f"--response {WRONG}", "--password wrong"):
            with pytest.raises(LabError, match="hmc does not let ibmservice in"):
                connect(lab, options)
        with pytest.raises(LabError, match="no session stands"):
            typed(lab, "id")
        assert status(lab) == STANDS

    def test_it_is_a_shell_on_the_console_without_a_network(self, lab: Lab) -> None:
        assert connect(lab) == "connected: ibmservice is let in to hmc"
        assert typed(lab, "uname -n; id -un; echo $TERM") == "hmc\nnobody\nvt100"
        assert typed(lab, "ip -o link | wc -l") == "1"
        typed(lab, "nohup sleep 86400 >/dev/null 2>&1 &")

    def test_a_tool_of_the_session_reaches_the_listed_ports(self, lab: Lab) -> None:
        script = "exec 3<>/dev/tcp/10.254.1.2/22 && head -n 1 <&3"
        said = by_ssh(lab, f"run -- bash -c {shlex.quote(script)}")
        assert said == "This is port tcp/22 of hmc"

    def test_nothing_goes_on_after_it(self, lab: Lab) -> None:
        assert by_ssh(lab, "hang-up") == "no session stands"
        wait_for_off(lab)
        assert programs(lab) == []
        with pytest.raises(LabError, match="hmc lets nobody in"):
            connect(lab)

    def test_three_wrong_tries_end_the_session(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable")
        for _ in range(3):
            with pytest.raises(LabError, match="hmc does not let ibmservice in"):
                connect(lab, f"--response {WRONG}")
        wait_for_off(lab)
        with pytest.raises(LabError, match="hmc lets nobody in"):
            connect(lab)

    def test_garbage_locks_out(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable")
        said = connect(lab)
        assert said == "connected: ibmservice is let in to hmc"
        by_ssh(lab, "hang-up")
        wait_for_off(lab)
        by_hand(lab, "hmc", "lab-inbound enable")
        address = status(lab).split("address ")[1].partition(",")[0]
        script = f"exec 3<>/dev/tcp/{address}/23 && yes '' | head -c 20000 >&3; timeout 20 cat <&3"
        heard = lab.node("hmc").run(["bash", "-c", script], deadline_s=CALL_S)
        assert ASK_USER in heard
        assert TOO_MANY in heard
        wait_for_off(lab)

    def test_who_says_exit_has_used_the_enabling_up(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable")
        connect(lab)
        with pytest.raises(LabError, match="the line has gone"):
            typed(lab, "exit")
        wait_for_off(lab)
        with pytest.raises(LabError, match="hmc lets nobody in"):
            connect(lab)

    def test_the_console_itself_ends_a_session_whose_user_has_left(self, lab: Lab) -> None:
        """Whoever is at the terminal, with nobody at IBM's server to hang up (I-02)."""
        by_hand(lab, "hmc", "lab-inbound enable")
        service, node = lab.topology.service, lab.node("hmc")
        assert service is not None
        assert service.terminal_account is not None
        address = status(lab).split("address ")[1].partition(",")[0]
        with node.call(socket.create_connection, (address, TERMINAL_PORT)) as line:
            typist = Typist(line.fileno(), service.console)
            assert typist.log_in(service.terminal_account)
            typist.say_good_bye()
        wait_for_off(lab)

    def test_an_enabling_in_which_nobody_was_let_in_ends_by_itself(self, lab: Lab) -> None:
        """Also if somebody was denied."""
        by_hand(lab, "hmc", "lab-inbound enable --minutes 30")
        with pytest.raises(LabError, match="hmc does not let ibmservice in"):
            connect(lab, f"--response {WRONG}")
        let_pass(1_900)
        assert status(lab).startswith("off")

    def test_the_customer_ends_a_session(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable")
        connect(lab)
        typed(lab, "sleep 86400 &")
        assert by_hand(lab, "hmc", "lab-inbound disable").startswith("off")
        assert programs(lab) == []
        with pytest.raises(LabError, match=r"no session stands|the line has gone"):
            typed(lab, "id")
