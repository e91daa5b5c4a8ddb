"""Somebody's call-home agent: it knows nothing of the lab but the environment that every agent is told."""

import os
import ssl
import sys
import urllib.request

trusted = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
with urllib.request.urlopen(os.environ["LAB_SERVER"], timeout=30, context=trusted) as answer:
    print(os.environ["LAB_NODE"], "got", answer.status)
    sys.exit(answer.status != 200)
