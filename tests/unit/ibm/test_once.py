"""A request with a key is done once, and answered the same each time."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPSConnection
from itertools import count
from urllib.parse import urlsplit

import pytest

from lab.ibm.answers import Answer, refusal
from lab.ibm.once import LONGEST, Once
from lab.ibm.server import Server
from tests.unit.ibm.sites import Site, entries

HEARTBEAT = json.dumps({"system": "7042-CR9*2100001"})


def test_the_same_request_is_done_once_and_another_of_that_key_is_refused() -> None:
    once, number = Once(), count(1)

    def make() -> Answer:
        return Answer(status=200, content=f"{next(number)}".encode(), kind="heartbeat")

    first, second = (once.answer('"k"', "POST /", make) for _ in range(2))

    assert (first.content, first.key, first.again) == (b"1", "k", False)
    assert (second.content, second.key, second.again) == (b"1", "k", True)
    assert once.answer('"k"', "POST /other", make).status == 422
    assert once.answer('"j"', "POST /", make).content == b"2"


def test_what_was_not_done_is_tried_again() -> None:
    once = Once()

    assert once.answer("k", "POST /", lambda: refusal(503, "closed")).status == 503
    done = Answer(status=200, content=b"", kind="heartbeat")
    assert once.answer("k", "POST /", lambda: done).status == 200


@pytest.mark.parametrize("key", ['""', '"' + "k" * (LONGEST + 1) + '"', '"a\tb"'])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    assert Once().answer(key, "POST /", lambda: refusal(500, "asked")).status == 400


def test_the_server_gives_the_first_answer_again_and_the_ledger_says_so(
    site: Site, server: Server
) -> None:
    place = urlsplit(site.url())
    trusting = ssl.create_default_context(cafile=site.ca_file)
    answers = []
    for key in ('"k1"', '"k1"', '"k2"', ""):
        connection = HTTPSConnection(place.hostname or "", place.port, context=trusting, timeout=10)
        fields = {"Idempotency-Key": key} if key else {}
        connection.request("POST", "/heartbeat", HEARTBEAT, fields)
        answers.append(json.loads(connection.getresponse().read())["transaction"])
        connection.close()

    assert answers == ["SDC0000001", "SDC0000001", "SDC0000002", "SDC0000003"]
    told = [(entry.key, entry.again) for entry in entries(server, 4)]
    assert told == [("k1", False), ("k1", True), ("k2", False), ("", False)]
