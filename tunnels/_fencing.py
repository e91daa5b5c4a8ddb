"""A LIG's fence in the kernel: the table once, and what a call adds. The texts are ``lab.linux.fence``'s."""

from __future__ import annotations

from lab.errors import KernelError
from lab.linux import fence, nft
from lab.linux.nodes import Node
from lab.topology.telephone import Lig


class KernelFence:
    """The fence of a node; every method is one transaction, for any thread."""

    def __init__(self, node: Node, lig: Lig) -> None:
        self._node = node
        self._lig = lig

    def set_up(self) -> None:
        """Put it up with no call in it; its counters start at zero."""
        again = f"table inet {fence.TABLE}\ndelete table inet {fence.TABLE}\n"
        self._run("set up the fence of", again + fence.render(self._lig))

    def admit(self, call: fence.Admission) -> None:
        self._run("admit a call to", fence.admit(self._lig, call))

    def dismiss(self, call: fence.Admission) -> None:
        self._run("dismiss a call from", fence.dismiss(call))

    def _run(self, operation: str, script: str) -> None:
        try:
            self._node.call(nft.run, script)
        except nft.Refused as refused:
            raise KernelError(operation, self._node.name, str(refused).strip()) from refused
