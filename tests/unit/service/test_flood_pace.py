"""How quickly a session is flooded: on a telephone line by what the modems agreed on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.scenarios import service_by_vpn
from lab.scenarios.service_scene import Scene
from lab.service.flood import EVERY_MS
from lab.ways.vpn.plan import VpnPlan
from tests.unit.verify.stage import topology


def pace(name: str, run_dir: Path, *rates_bit_s: int) -> float:
    """Milliseconds between two rounds of SYNs, after calls that were connected at these rates."""
    believed = topology(name)
    service = believed.service
    assert service is not None
    events: list[dict[str, Any]] = [
        {"time": 1.0, "kind": "call-connected", "source": "pstn", "call": number,
         "line": service.console, "called": "lig-1", "rate_bit_s": rate}
        for number, rate in enumerate(rates_bit_s, 1)
    ]  # fmt: skip
    (run_dir / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    scene = SimpleNamespace(
        lab=SimpleNamespace(topology=believed, run_dir=run_dir), service=service
    )
    way = cast(VpnPlan, believed.way(service.vpn_way))
    return service_by_vpn._flood_every_ms(cast(Scene, scene), way)


@pytest.mark.parametrize("rate_bit_s", [2_400, 33_600])
def test_the_syns_leave_half_of_the_line_to_the_vpn(tmp_path: Path, rate_bit_s: int) -> None:
    """Training may end with less than the modems can do; the last call is the one that stands."""
    every_ms = pace("service-vpn-dial", tmp_path, 14_400, rate_bit_s)

    service = topology("service-vpn-dial").service
    assert service is not None
    bits = (1 + len(service.allowed)) * service_by_vpn.SYN_IN_CALL_BYTES * 8
    assert bits / (every_ms / 1000) == pytest.approx(rate_bit_s / 2)


def test_without_a_telephone_it_is_as_quick_as_ever(tmp_path: Path) -> None:
    assert pace("service-vpn", tmp_path) == EVERY_MS
