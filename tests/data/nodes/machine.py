"""What a program finds on a node, as JSON on standard output; ``test_machines`` asserts it."""

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

NOBODY = 65534
ETC = "/etc/ppp", "/etc/xl2tpd", "/etc/swanctl", "/etc/strongswan.d"


def output(*argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    return (done.stdout + done.stderr).strip()


def of(path):
    there = Path(path).stat()
    return [there.st_uid, there.st_gid, f"{stat.S_IMODE(there.st_mode):o}"]


def asks_modem(port):
    """What AT is answered with at a port, opened as a scanner for modems does."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.set_blocking(descriptor, True)
        os.write(descriptor, b"ATE0\r")
        said = b""
        while b"OK\r\n" not in said:
            said += os.read(descriptor, 100)
        return said.decode().split()[-1]
    finally:
        os.close(descriptor)


def as_nobody(function):
    """The exit status of a function in a child that has no rights: 0, or an errno."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        function()
    except OSError as error:
        os._exit(error.errno)
    os._exit(0)


def lock():
    """As a dialler makes its lock (FHS 5.9)."""
    with Path("/var/lock/LCK..other").open("x") as file:
        file.write(f"{os.getpid():>10}\n")


def replace(path):
    """As an editor and a DHCP client do: a new file takes the name."""
    new = Path(f"{path}.new")
    new.write_text(Path(path).read_text() + "# of this node\n")
    new.rename(path)
    return Path(path).read_text()


def ports(*patterns):
    return sorted(os.fspath(path) for pattern in patterns for path in Path("/dev").glob(pattern))


etc = sorted(path for folder in ETC for path in Path(folder).rglob("*") if path.is_file())
print(
    json.dumps(
        {
            "links": sorted(
                path.name for path in Path("/sys/class/net").iterdir() if path.is_dir()
            ),
            "interfaces": sorted(name for _, name in socket.if_nameindex()),
            "mac": Path("/sys/class/net/lan/address").read_text().strip(),
            "hostname -f": output("hostname", "-f"),
            "hostname -i": output("hostname", "-i"),
            "fqdn": socket.getfqdn(),
            "address": socket.gethostbyname(socket.gethostname()),
            "lock": of("/var/lock"),
            "lock as nobody": as_nobody(lock),
            "dev": sorted(path.name for path in Path("/dev").iterdir()),
            "ports": {port: of(port) for port in ports("modem*", "tty[A-Z]*")},
            "answers": {port: asks_modem(port) for port in ports("tty[A-Z]*")},
            "port as nobody": as_nobody(lambda: os.open("/dev/modem0", os.O_RDWR | os.O_NOCTTY)),
            "groups": os.getgroups(),
            "ping as nobody": output(
                "ping", "-c1", "hmc", user=NOBODY, group=NOBODY, extra_groups=[]
            ),
            "etc": [os.fspath(path) for path in etc],
            "unreadable": [os.fspath(path) for path in etc if not os.access(path, os.R_OK)],
            "secrets": Path("/etc/ppp/pap-secrets").read_text(),
            "resolv.conf": replace("/etc/resolv.conf"),
            "replaced secrets": replace("/etc/ppp/pap-secrets"),
            "new peer": output(
                "sh", "-c", "mkdir -p /etc/ppp/peers; cd /etc/ppp/peers; echo noauth >own; cat own"
            ),
        }
    )
)
