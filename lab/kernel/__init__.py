"""The lab's own kernel: what it is made of, its build, and what is in the user's cache."""

from __future__ import annotations

from lab.kernel.builder import Progress, build
from lab.kernel.store import KernelStatus, status

__all__ = ["KernelStatus", "Progress", "build", "status"]
