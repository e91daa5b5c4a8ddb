"""What can be wrong where nobody has enabled remote service, as mutations of a true run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP

from lab.service.events import CalledIn, HostScanned
from lab.service.marks import Purpose
from lab.telephony.events import CallAnswered, CallRings
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import Change, crosses, mutation

HMC, INTERNET = "203.0.113.10", "198.51.100.1"


def scanned(purpose: Purpose, **fields: object) -> Change:
    """The first scan for a purpose came out otherwise."""

    def change(run: TrueRun) -> None:
        first = next(
            e for e in run.events if isinstance(e, HostScanned) and e.purpose == purpose.name
        )
        run.events = [replace(e, **fields) if e is first else e for e in run.events]  # type: ignore[arg-type]

    return change


def without(chooses: Callable[[object], bool]) -> Change:
    return lambda run: run.unhear(chooses)


def of_sdc(event: object) -> bool:
    return isinstance(event, HostScanned) and event.source == "sdc"


def of_console(event: object) -> bool:
    return isinstance(event, HostScanned) and event.purpose == Purpose.control.name


def answered(run: TrueRun) -> None:
    """The HMC's modem takes the call."""
    rang = next(event for event in run.events if isinstance(event, CallRings))
    taken = CallAnswered(source=rang.source, time=rang.time + 5, call=rang.call, line="hmc")
    run.events.insert(run.events.index(rang) + 1, taken)


def back(payload: TCP | UDP) -> Change:
    return crosses("lan", "hmc", "firewall", IP(src=HMC, dst=INTERNET) / payload)


ATTACK = int(Purpose.attack)
MUTATIONS = (
    mutation("I-01", "a SYN/ACK to the Internet", "service-off",
             back(TCP(sport=22, dport=ATTACK, flags="SA")), "OUT-02",
             seen="1 packet in answer to a scan on lan"),
    mutation("I-01", "a datagram to the Internet", "service-off", back(UDP(sport=2300, dport=ATTACK)),
             seen="1 packet in answer to a scan on lan"),
    mutation("I-01", "the modem answers", "service-off", answered,
             seen="hmc's modem answered call 1 of ibm-dial"),
    mutation("I-01", "a port answers", "service-off", scanned(Purpose.attack, tcp="22"),
             seen="internet scans 203.0.113.10: TCP 22"),
    mutation("I-01", "a ping is answered", "service-off", scanned(Purpose.attack, protocols=(1,)),
             seen="internet scans 203.0.113.10: IP protocols 1"),
    mutation("I-01", "a packet was lost", "service-off",
             scanned(Purpose.attack, at_firewall=(65_535, 65_534, 254)),
             seen="of 131324 packets of the scan by internet 131323 came to firewall"),
    mutation("I-01", "a port without a listener", "service-off", scanned(Purpose.control, udp="2-65535"),
             seen="UDP 2-65535 of hmc answered console, so a port that is closed proves nothing"),
    mutation("I-01", "IBM has not tried", "service-off", without(of_sdc),
             seen="sdc has not tried to get in"),
    mutation("I-01", "nobody looked from the wire", "service-off", without(of_console),
             seen="console has not looked whether hmc's ports are open"),
    mutation("I-01", "nobody called", "service-off",
             without(lambda event: isinstance(event, CalledIn)), seen="ibm-dial has not called hmc"),
    mutation("I-01", "it did not ring", "service-off",
             without(lambda event: isinstance(event, CallRings)),
             seen="a call of ibm-dial did not ring at hmc, so it proves nothing"),
)  # fmt: skip
