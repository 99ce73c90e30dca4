"""The images and the compose file agree with the code: they cannot be built in the tests."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from docker import web_health
from enhancer_worker.nets.manifest import read_manifest
from shopimg.conf import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text())[
    "services"
]
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]+)=", re.MULTILINE)
WEB_PROCESS = """
import docker.wsgi
from pathlib import Path
import shopimg.apps
from django.test import Client
from shopimg import enhancers
login = Client().get("/admin/login/", headers={"host": "localhost"})
print(Path(shopimg.apps.__file__).parent, login.status_code, len(enhancers.weights_manifest()))
"""


HEALTH = """
import runpy
import socket
import django
django.setup()
from shopimg.models import WorkerHeartbeat
{beat}
print(runpy.run_module("docker.worker_health")["is_alive"]())
"""


def copied(dockerfile: Path) -> list[tuple[str, str]]:
    """Return what the last stage of an image copies from the repository: (source, target)."""
    stage = dockerfile.read_text().rpartition("\nFROM ")[2]
    return re.findall(r"^COPY (?!--from)(\S+) (\S+)$", stage, re.MULTILINE)


def fill(dockerfile: Path, folder: Path) -> None:
    """Lay the files of an image into a folder, as a build would."""
    ignored = shutil.ignore_patterns("__pycache__", "render")
    for source, target in copied(dockerfile):
        place = folder / (source if target == "./" else target)
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=ignored)
        else:
            shutil.copy(ROOT / source, place)


def run_in(folder: Path, *arguments: str) -> str:
    """Run ``python ARGUMENTS`` among the files of an image and return what it says."""
    ours = ("DATABASE_URL", "REDIS_URL", "S3_", "DJANGO_", "DEMO_", "PYTHON")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    demo = {"DEMO_DIR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "demoshop.settings"}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept | demo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.name))
def test_dockerfile__copies_what_is_there(dockerfile: Path) -> None:
    names = [source for source, _ in copied(dockerfile)]
    assert "shopimg" in names
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_web_image__migrates_and_serves_with_the_files_that_it_has(tmp_path: Path) -> None:
    fill(DOCKER / "web.Dockerfile", tmp_path)
    run_in(tmp_path, "manage.py", "collectstatic", "--no-input")
    assert "Applying shopimg.0001_initial... OK" in run_in(tmp_path, "manage.py", "migrate")
    assert "no issues" in run_in(tmp_path, "manage.py", "check", "--fail-level=WARNING")
    # From the files of the image, not from those of the repository.
    assert run_in(tmp_path, "-c", WEB_PROCESS).split() == [
        str(tmp_path / "shopimg"),
        "200",
        str(len(read_manifest())),
    ]


def test_worker_image__has_intact_weights(tmp_path: Path) -> None:
    fill(DOCKER / "worker.Dockerfile", tmp_path)
    assert "restore_s.safetensors" in run_in(tmp_path, "-m", "enhancer_worker", "weights")
    assert "no issues" in run_in(tmp_path, "-m", "django", "check", "--fail-level=WARNING")


def test_worker_image__tells_its_health_with_the_files_that_it_has(tmp_path: Path) -> None:
    fill(DOCKER / "worker.Dockerfile", tmp_path)
    run_in(tmp_path, "-m", "django", "migrate", "--verbosity=0")
    assert run_in(tmp_path, "-c", HEALTH.format(beat="")).split() == ["False"]
    beat = "WorkerHeartbeat.objects.create(name=f'shopimg@{socket.gethostname()}')"
    assert run_in(tmp_path, "-c", HEALTH.format(beat=beat)).split() == ["True"]
    for dockerfile in DOCKERFILES:
        (module,) = re.findall(
            r"^HEALTHCHECK .*\"(docker\.\w+)\"\]", dockerfile.read_text(), re.MULTILINE
        )
        assert f"{module.replace('.', '/')}.py" in [source for source, _ in copied(dockerfile)]


@pytest.mark.parametrize(("allowed", "found"), [("shop.example,other.example", True), ("", False)])
def test_web_health__asks_for_a_host_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, allowed: str, found: bool
) -> None:
    class Strict(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301 if self.headers["Host"] == "shop.example" else 400)
            self.end_headers()

    monkeypatch.setenv("DJANGO_ALLOWED_HOSTS", allowed)
    with http.server.HTTPServer(("127.0.0.1", 0), Strict) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert web_health.is_alive(server.server_port) is found


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.name))
def test_dockerfile__does_not_run_as_root(dockerfile: Path) -> None:
    assert re.findall(r"^USER (.+)$", dockerfile.read_text(), re.MULTILINE) == ["10001"]


def test_compose__has_a_worker_for_every_queue() -> None:
    commands = [str(SERVICES[name]["command"]) for name in ("bulk", "upkeep")]
    commands.append((DOCKER / "worker.Dockerfile").read_text())
    queues = {queue for command in commands for queue in re.findall(r"--queues=([\w-]+)", command)}
    assert queues == {Settings().QUEUE, Settings().BULK_QUEUE, Settings().UPKEEP_QUEUE}
    # On one machine, or with the network of the host, workers of one name share one sign of life.
    names = [re.findall(r"--hostname=([\w-]+)@%h", command) for command in commands]
    assert names == [["shopimg-bulk"], ["shopimg-upkeep"], ["shopimg"]]


def test_compose__has_one_clock_on_a_worker_that_no_job_holds_up() -> None:
    beats = [name for name, service in SERVICES.items() if "beat" in str(service.get("command"))]
    assert beats == ["upkeep"]
    assert "--queues=shopimg-upkeep --concurrency=1" in SERVICES["upkeep"]["command"]


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
