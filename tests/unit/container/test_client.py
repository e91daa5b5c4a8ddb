"""What the engine of containers says, and everything that keeps a container from being a node."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lab.container import client as asked
from lab.container.proc_entry import ProcEntry
from lab.errors import PrerequisiteError, UsageError
from tests.unit.container.conftest import Client, container

UNREACHED = "Cannot connect to the Docker daemon at unix:///nowhere. Is the docker daemon running?"


def test_a_running_container_without_a_network_is_found(client: Client) -> None:
    path = client(said=container())
    found = asked.find("agent")
    assert (found.name, found.client) == ("agent", os.fspath(path))
    assert found.entry == ProcEntry.of(os.getpid())
    assert found.entry.lives


def test_without_a_client_the_fix_is_a_package_or_an_image(client: Client) -> None:
    with pytest.raises(PrerequisiteError, match="neither docker nor podman") as caught:
        asked.find("agent")
    assert "apt install docker.io" in caught.value.hint
    assert "--image" in caught.value.hint


def test_an_engine_that_does_not_answer_is_told_with_its_own_words(client: Client) -> None:
    client(complaint=UNREACHED, status=1)
    with pytest.raises(PrerequisiteError, match="Is the docker daemon running") as caught:
        asked.find("agent")
    assert "DOCKER_HOST" in caught.value.hint


@pytest.mark.parametrize(
    "words", ["Error: No such object: agent", "Error: no such container agent"]
)
def test_a_container_that_is_not_there(client: Client, words: str) -> None:
    client(said="[]", complaint=words, status=1)
    with pytest.raises(UsageError, match="docker knows no container 'agent'") as caught:
        asked.find("agent")
    assert "docker ps" in caught.value.hint


def test_podman_is_asked_where_docker_does_not_know(client: Client) -> None:
    client(complaint=UNREACHED, status=1)
    podman = client("podman", said=container())
    found = asked.find("agent")
    assert (found.client, found.by_daemon) == (os.fspath(podman), True)


def test_podman_is_known_by_what_it_says_also_as_docker(client: Client) -> None:
    client(said=container(ConmonPidFile="/run/conmon.pid"))
    assert not asked.find("agent").by_daemon


def test_who_answers_says_more_than_who_does_not(client: Client) -> None:
    client(complaint=UNREACHED, status=1)
    client("podman", complaint='Error: no such container "agent"', status=125)
    with pytest.raises(UsageError, match="podman knows no container"):
        asked.find("agent")


@pytest.mark.parametrize(
    ("changed", "problem", "fix"),
    [
        ({"State": {"Running": False, "Pid": 0}}, "does not run", "docker start agent"),
        ({"State": {"Paused": True}}, "is paused", "docker unpause agent"),
        ({"HostConfig": {"NetworkMode": "bridge"}}, "network 'bridge'", "--network none"),
        ({"HostConfig": {"NetworkMode": "container:x"}}, "network 'container:x'", "network_mode"),
        ({"Id": "of-elsewhere"}, "does not run on this machine", "--image docker:agent"),
        ({"State": {"Pid": 2**22 + 1}}, "does not run on this machine", "--image docker:agent"),
    ],
)
def test_a_container_that_cannot_be_a_node(
    client: Client, changed: dict[str, Any], problem: str, fix: str
) -> None:
    client(said=container(**changed))
    with pytest.raises(UsageError) as caught:
        asked.find("agent")
    assert problem in caught.value.message
    assert fix in caught.value.hint


@pytest.mark.parametrize("said", ["no JSON", "[]", '[{"Id": "x"}]', '[{"Id": "x", "State": 1}]'])
def test_what_is_not_understood_is_no_traceback(client: Client, said: str) -> None:
    client(said=said)
    with pytest.raises(PrerequisiteError):
        asked.find("agent")
