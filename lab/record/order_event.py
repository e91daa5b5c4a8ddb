"""What comes of orders to a lab that stands."""

from __future__ import annotations

from lab.record.event import Event


class WayTakenDown(Event, tells="{source}: {way} is taken down by command"):
    """A command took the way down: ``lab path down``, or a test's ``lab.path_down()``."""

    way: str
