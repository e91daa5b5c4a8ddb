"""``python -m tests.unit.imm.console URL...``: another maker's agent in a lab, of ``pywbem`` and ``urllib``.

It subscribes at the management module by the first URL that answers (``https://{}:5989``, with ``{}`` for the
module), takes a notice by HTTP, and sends a problem to IBM.
"""

from __future__ import annotations

import json
import os
import queue
import ssl
import sys
import urllib.request

import pywbem

PORT = 8000
PROBLEMS = "https://www-945.ibm.com/transaction/problem"
DEADLINE_S = 120.0


def main(*urls: str) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)  # else what pywbem builds on looks at these
    came: queue.SimpleQueue[pywbem.CIMInstance] = queue.SimpleQueue()
    listener = pywbem.WBEMListener("0.0.0.0", http_port=PORT)
    listener.add_callback(lambda indication, host: came.put(indication))
    with listener:
        listener.start()
        subscribe(urls)
        send(came.get(timeout=DEADLINE_S))


def subscribe(urls: tuple[str, ...]) -> None:
    for url in urls:
        connection = pywbem.WBEMConnection(
            url.format(os.environ["LAB_IMM"]),
            (os.environ["LAB_IMM_USER"], os.environ["LAB_IMM_PASSWORD"]),
            ca_certs=os.environ["LAB_CA_FILE"],
        )
        try:
            with connection, pywbem.WBEMSubscriptionManager("console") as manager:
                ask(manager, manager.add_server(pywbem.WBEMServer(connection)))
        except pywbem.ConnectionError:
            continue
        return
    raise SystemExit("no URL of the module answers")


def ask(manager: pywbem.WBEMSubscriptionManager, server: str) -> None:
    """Not owned: what is owned goes when the manager goes."""
    query = "SELECT * FROM CIM_AlertIndication"
    wanted = manager.add_filter(server, ["root/cimv2"], query, owned=False, name="console")
    own = f"http://169.254.95.120:{PORT}"
    to = manager.add_destination(server, own, owned=False, name="console")
    manager.add_subscriptions(server, wanted.path, [to.path], owned=False)


def send(alert: pywbem.CIMInstance) -> None:
    told = {"system": "8284-22A*21ABCDE", "text": alert["Description"]}
    trusting = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
    request = urllib.request.Request(PROBLEMS, json.dumps(told).encode())
    with urllib.request.urlopen(request, context=trusting, timeout=DEADLINE_S) as answer:
        sys.stdout.write(json.load(answer)["pmh"] + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
