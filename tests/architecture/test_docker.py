"""The images and the compose file agree with the code: they cannot be built in the tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopimg.conf import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text())[
    "services"
]
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]+)=", re.MULTILINE)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.name))
def test_dockerfile__copies_what_is_there(dockerfile: Path) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE)
    names = [name for names in copied for name in names.split()]
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.name))
def test_dockerfile__does_not_run_as_root(dockerfile: Path) -> None:
    assert re.findall(r"^USER (.+)$", dockerfile.read_text(), re.MULTILINE) == ["10001"]


def test_compose__has_a_worker_for_every_queue() -> None:
    commands = [str(SERVICES["bulk"]["command"]), (DOCKER / "worker.Dockerfile").read_text()]
    queues = {queue for command in commands for queue in re.findall(r"--queues=([\w-]+)", command)}
    assert queues == {Settings().QUEUE, Settings().BULK_QUEUE}


def test_compose__keeps_messages_through_a_restart() -> None:
    command = SERVICES["redis"]["command"]
    assert "--appendonly yes --appendfsync everysec" in command
    assert "--maxmemory-policy noeviction" in command


def test_compose__knows_the_health_of_what_others_wait_for() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in SERVICES[name]["healthcheck"]


def test_compose__names_secrets_in_the_example_only() -> None:
    secrets = VARIABLE.findall((DOCKER / "secrets.example.env").read_text())
    text = (DOCKER / "compose.yaml").read_text()
    assert "DJANGO_SECRET_KEY" in secrets
    assert [name for name in secrets if f"{name}:" in text] == []
