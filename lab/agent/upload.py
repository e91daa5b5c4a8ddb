"""An upload by FTP over TLS, in the manner of an HMC: ``python -m lab.agent.upload HOST NAME BYTES``.

Explicit (RFC 4217): AUTH TLS before USER, and the data by TLS, too; the client opens every connection
(OUT-43). LAB_CA_FILE has the authorities that are trusted. Exit status: 0 the server has taken the file,
1 it has not, 2 wrong use; the last line on standard error says why.
"""

from __future__ import annotations

import ftplib
import io
import os
import ssl
import sys

DEADLINE_S = 60.0
USER, PASSWORD = "customer", "nobody@customer.test"
FOLDER = "/toibm/aix"
"""Where IBM's documents have customers put such files."""


def upload(host: str, name: str, size: int, ca_file: str) -> None:
    """Put a file of zeros there. Raises OSError, EOFError or ftplib.Error, as ftplib does."""
    context = ssl.create_default_context(cafile=ca_file)
    with ftplib.FTP_TLS(context=context, timeout=DEADLINE_S) as server:
        server.connect(host)
        server.login(USER, PASSWORD)  # which says AUTH TLS first
        server.prot_p()
        server.storbinary(f"STOR {FOLDER}/{name}", io.BytesIO(bytes(size)))


def main(arguments: list[str]) -> int:
    try:
        host, name, size = arguments
        ca_file = os.environ["LAB_CA_FILE"]
        upload(host, name, int(size), ca_file)
    except (ValueError, KeyError):
        sys.stderr.write(__doc__ or "")
        return 2
    except (OSError, EOFError, ftplib.Error) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
