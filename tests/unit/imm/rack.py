"""``python -m tests.unit.imm.rack ADDRESS FOLDER [https] [http]``: a management module, and a fan that fails.

It writes ``ca.pem`` and then ``ready`` into the folder, waits for a subscription, tells of the fan to its
destination, twice, as a module does that has had no answer, and prints what became of it.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pywbem
import trustme

from lab.agent.imm.subscribing import HTTP_PORT, HTTPS_PORT
from lab.wait import wait_until
from tests.unit.imm.module import ManagementModule, alert, listening

DEADLINE_S = 300.0


def main(address: str, folder: Path, *ports: str) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(address).configure_cert(tls)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    module = ManagementModule()
    with contextlib.ExitStack() as stack:
        if "https" in ports:
            stack.enter_context(listening(module, tls, (address, HTTPS_PORT)))
        if "http" in ports:
            stack.enter_context(listening(module, None, (address, HTTP_PORT)))
        (folder / "ready").write_text("")
        wait_until("a subscription", lambda: len(module.created) == 3, DEADLINE_S)
        to = urlsplit(str(module.created[1]["Destination"]))
        for _ in range(2):
            _tell(f"{to.scheme}://{to.netloc}")
        sys.stdout.write("told twice\n")


def _tell(url: str) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)  # else what pywbem builds on looks at the certificate
    # The agent's certificate is signed by itself, and the module has never seen it.
    with pywbem.WBEMConnection(url, no_verification=True) as connection:
        connection.ExportIndication(alert())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
