"""A call between the two modems of this machine, and a million bytes each way at once."""

import json
import os
import termios
import threading
import time
import tty

COUNT = 1_000_000


def opened(device):
    port = os.open(device, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    attributes = termios.tcgetattr(port)
    attributes[2] |= termios.CLOCAL
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    return port


def until(port, end):
    seen = b""
    while not seen.endswith(end):
        seen += os.read(port, 1)


def send(port, data):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(port, rest) :]


def take(name, port, expected):
    got = bytearray()
    while len(got) < COUNT:
        got += os.read(port, 1 << 16)
    result[name] = {"same": bytes(got) == expected, "seconds": time.time() - began}


result = {}
caller, called = opened("/dev/modem0"), opened("/dev/modem1")
os.write(called, b"ATE0S0=1\r")
until(called, b"OK\r\n")
os.write(caller, b"ATE0DT15075550101\r")
for end in (caller, called):
    until(end, b"CONNECT 33600\r\n")

there, back = os.urandom(COUNT), os.urandom(COUNT)
began = time.time()
threads = [
    threading.Thread(target=send, args=(caller, there)),
    threading.Thread(target=send, args=(called, back)),
    threading.Thread(target=take, args=("there", called, there)),
    threading.Thread(target=take, args=("back", caller, back)),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(result))
