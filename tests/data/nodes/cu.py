"""cu(1) at a modem: it has the port and a lock, and lets go of both."""

from pathlib import Path

import pexpect

LOCK = Path("/var/lock/LCK..modem0")

cu = pexpect.spawn("cu -l /dev/modem0 -s 9600", timeout=30)
cu.expect("Connected")
assert LOCK.exists()
cu.send("AT\r")
cu.expect("OK")
cu.send("~.")
cu.expect("Disconnected")
cu.expect(pexpect.EOF)
assert not LOCK.exists()
