"""An agent that does some things right and some wrong, for `lab life --agent`; the standard library alone.

Right: it enrols first, and reports each problem once, with the password. Wrong: it sends its heartbeats each
second day, answers an offer of another password with nothing, sends data in clear, knows one server, and
sends whatever lies beside the machine's files.
"""

import base64
import json
import os
import select
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DAY_S = 86400.0
STATE = Path(os.environ["LAB_STATE_DIR"], "careless.json")
SERVICES = json.loads(os.environ["LAB_SERVICES"])
TLS = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TLS)
)


def ask(url: str, method: str, content: object = None, who: dict | None = None) -> dict:
    request = urllib.request.Request(url, method=method)
    if content is not None:
        request.data = json.dumps(content).encode()
        request.add_header("Content-Type", "application/json")
    if who:
        both = f"{who['id']}:{who['password']}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(both).decode()}")
    with OPENER.open(request, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def load() -> dict:
    try:
        return json.loads(STATE.read_text())
    except FileNotFoundError:
        return {"sent": 0, "queue": [], "next": 0.0, "boast": True}


def save(state: dict) -> None:
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(state))
    fresh.replace(STATE)


def enrol(state: dict) -> None:
    kind, _, serial = os.environ["LAB_MACHINE"].partition("/")
    type_, _, model = kind.partition("-")
    machine = {"type": type_, "model": model, "serial": serial}
    content = {"machine": machine, "agent": "careless 1.0", "ibm_ids": []}
    url = f"{SERVICES['enrolment'][0]}/service/enrolments/enrol-1"
    state["who"] = ask(url, "PUT", content)
    save(state)


def step(state: dict) -> None:
    if "who" not in state:
        enrol(state)
    if state.pop("boast", False):
        try:
            ask(f"{SERVICES['fix'][0]}/service/heartbeats/boast", "PUT", {"agent": "careless"})
        except (OSError, ValueError):
            print("nobody takes it in clear")
        save(state)
    while state["queue"]:
        number, event = state["queue"][0]
        content = {
            "reference_code": event["reference_code"], "severity": event["severity"],
            "text": event["text"], "occurred": event["occurred"], "reason": "problem",
        }  # fmt: skip
        url = f"{SERVICES['problem'][0]}/service/problems/event-{number}"
        ask(url, "PUT", content, state["who"])
        state["queue"].pop(0)
        save(state)
    if "inventory" not in state:
        folder = Path(os.environ["LAB_MACHINE_FILES"])
        files = {path.name: path.read_text() for path in folder.iterdir()}
        content = {"collected": time.time(), "reason": "inventory", "files": files}
        ask(f"{SERVICES['inventory'][0]}/service/inventories/all", "PUT", content, state["who"])
        state["inventory"] = True
        save(state)
    if time.time() >= state["next"]:
        state["sent"] += 1
        content = {"agent": "careless 1.0", "collected": time.time(), "reason": "heartbeat"}
        url = f"{SERVICES['inventory'][0]}/service/heartbeats/beat-{state['sent']}"
        ask(url, "PUT", content, state["who"])
        state["next"] = time.time() + 2 * DAY_S
        save(state)


def main() -> None:
    state = load()
    hardware = os.open(os.environ["LAB_EVENTS"], os.O_RDWR)
    wait_s = 0.0
    while True:
        ready, _, _ = select.select([hardware], [], [], wait_s)
        if ready:
            for line in os.read(hardware, 65536).splitlines():
                state["heard"] = state.get("heard", 0) + 1
                state["queue"].append((state["heard"], json.loads(line)))
            save(state)
        try:
            step(state)
            wait_s = max(1.0, state["next"] - time.time())
        except (OSError, ValueError) as error:
            print(f"later: {error}", flush=True)
            wait_s = 3600.0


main()
