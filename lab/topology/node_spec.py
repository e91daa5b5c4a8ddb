"""A node as a user writes it: its role, and what nodes of some roles may have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.topology.errand_kinds import ErrandKind
from lab.topology.part import Part
from lab.topology.roles import Role
from lab.topology.telephone import ResultTable
from lab.topology.values import Pool

MAX_MODEMS = 64


class NodeSpec(Part):
    """A machine."""

    role: Role = Field(description="What the machine is in IBM's papers.")
    count: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description="HMC only: how many machines the name stands for; hmc with 3 is hmc-1, hmc-2 and hmc-3.",
    )
    snat: bool | None = Field(
        default=None,
        strict=True,
        description="Firewall and router only: hide the addresses behind it by its own.",
    )
    pool: Pool | None = Field(
        default=None,
        description="VPN gateway and LIG only: its PPP's own address and those that callers get.",
    )
    modems: int = Field(
        default=0,
        ge=0,
        le=MAX_MODEMS,
        strict=True,
        description="HMC, LIG and service-dialer only: how many.",
    )
    result_codes: ResultTable | None = Field(
        default=None, description="Exchange only: whose numeric result codes the modems give."
    )
    fence_ports: bool | None = Field(
        default=None,
        strict=True,
        description="LIG only: the fence looks at ports, too, not at addresses only (L-12).",
    )
    opens: Literal["list", "ranges", "names"] | None = Field(
        default=None,
        description="Firewall only: the way to each listed address, to the recommended ranges that hold "
        "them (F-11), or to whatever the listed names lead to (F-05); list if not given.",
    )
    rules: str | None = Field(
        default=None,
        min_length=1,
        description="Firewall and HMC only: a file of rules of your own, for nft or as iptables-save prints "
        "them, relative to this one.",
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        strict=True,
        description="Proxy only: its port; 3128 if not given.",
    )
    login: Literal["basic"] | None = Field(
        default=None, description="Proxy only: its users have to log in, with HTTP's basic scheme."
    )
    destinations: Literal["listed", "any"] | None = Field(
        default=None,
        description="Proxy only: to which servers it lets its users, by port 443; listed if not given.",
    )
    literal_replies: bool | None = Field(
        default=None,
        strict=True,
        description="LIG only: the fence holds back the name server's replies, to the letter (X-09).",
    )
    literal_tls: bool | None = Field(
        default=None,
        strict=True,
        description="SDC only: the TLS of the papers and no newer one, which today's clients may refuse.",
    )
    moves_to: str | None = Field(
        default=None,
        description="SDC only: a profile whose addresses its servers get after the first calls home.",
    )
    serves: tuple[ErrandKind, ...] = Field(
        default=(), description="Back-end only: the errands that the front end hands to it."
    )
    stubs: str | None = Field(
        default=None,
        min_length=1,
        description="SDC only: a file of what the servers answer, relative to this one.",
    )
    run: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        min_length=1,
        description="SDC, VPN gateway, proxies and user-target only: a program of your own in the place of "
        "the lab's, and the program's arguments; it is started in the folder of this file.",
    )
