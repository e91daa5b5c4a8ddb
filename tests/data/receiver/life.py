"""What a machine does with IBM's receiver in a lab: a program for a node, of Python's own library alone."""

import hashlib
import http.client
import json
import os
import ssl
import sys
import time
from base64 import b64encode
from urllib.parse import urlsplit

DAY_S = 86400
CONTEXT = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
MACHINE = {"type": "8284", "model": "22A", "serial": "21ABCDE"}


def ask(url, method="GET", content=None, auth=None, **fields):
    """Status and JSON, or bytes, of one request on a connection of its own."""
    where = urlsplit(url)
    if where.scheme == "https":
        connection = http.client.HTTPSConnection(where.netloc, timeout=60, context=CONTEXT)
    else:
        connection = http.client.HTTPConnection(where.netloc, timeout=60)
    head = {name.replace("_", "-"): value for name, value in fields.items()}
    if isinstance(content, dict):
        content, head["Content-Type"] = json.dumps(content).encode(), "application/json"
    if auth:
        head["Authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
    connection.request(method, where.path, content, head)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body) if body.startswith(b"{") else body.decode("latin-1")


def main():
    enrol, report = "https://eccgw01.boulder.ibm.com", "https://www-945.ibm.com"
    upload, other = "https://www6.software.ibm.com", "https://eccgw02.rochester.ibm.com"
    told = {}

    def tell(name, answer):
        told[name] = answer
        return answer[1]

    machine = {"machine": MACHINE, "agent": "test", "ibm_ids": []}
    enrolled = tell("enrolled", ask(f"{enrol}/service/enrolments/e1", "PUT", machine))
    auth = enrolled["id"], enrolled["password"]
    tell("misdirected", ask(f"{report}/service/enrolments/e1", "PUT", machine))
    beat = {"agent": "test", "collected": time.time(), "reason": "heartbeat"}
    tell("heartbeat", ask(f"{other}/service/heartbeats/h1", "PUT", beat, auth))
    problem = {
        "reference_code": "B1814400", "severity": 2, "text": "fan", "occurred": time.time(),
        "reason": "problem",
    }  # fmt: skip
    tell("problem", ask(f"{report}/service/problems/p1", "PUT", problem, auth))
    data = b"eed" * 1000
    at = f"{upload}/service/problems/p1/data/dump"
    declared = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    tell("declared", ask(at, "PUT", declared, auth))
    part = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": "0"}
    tell("uploaded", ask(at, "PATCH", data, auth, **part))
    told["uploaded_at"] = time.time()
    tell("configuration", ask("https://www-03.ibm.com/service/configuration"))
    (fix,) = tell("fixes", ask(f"{enrol}/service/fixes", auth=auth))["fixes"]
    got = ask(f"http://download3.boulder.ibm.com/service/fixes/{fix}")
    told["fix"] = got[0], hashlib.sha256(got[1].encode("latin-1")).hexdigest()
    tell("in clear", ask("http://download3.boulder.ibm.com/service/access-key", auth=auth))

    for place in ("127.0.0.1", "eccgw01.boulder.ibm.com"):
        try:
            told[place] = ask(f"http://{place}:8023/administration/machines")
        except OSError as error:
            told[place] = type(error).__name__

    time.sleep(4 * DAY_S)
    tell("after", ask(f"{other}/service/heartbeats/h1", "PUT", beat, auth))
    tell("standing", ask(at, auth=auth))
    json.dump(told, sys.stdout)


main()
