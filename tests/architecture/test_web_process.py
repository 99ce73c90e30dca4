"""What a web process may load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"enhancer_worker", "lightning", "numpy", "openvino", "safetensors", "torch", "torchvision"}

START_WEB_PROCESS = """
import json, sys
import django
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands, load_command_class
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

def resolve(resolver):
    for entry in resolver.url_patterns:
        if hasattr(entry, "url_patterns"):
            resolve(entry)

get_wsgi_application()
resolve(get_resolver())
admin.autodiscover()
for name, app in get_commands().items():
    if app == "shopimg":
        load_command_class(app, name)
from django.core.checks import run_checks
run_checks()
from django.test import Client
Client().get("/admin/login/")
json.dump(sorted({name.partition(".")[0] for name in sys.modules}), sys.stdout)
"""


@pytest.mark.parametrize("settings_module", ["tests.settings", "demoshop.settings"])
def test_web_process__loads_nothing_heavy(settings_module: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", START_WEB_PROCESS],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": settings_module, "DEMO_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    loaded = set(json.loads(result.stdout))
    assert "shopimg" in loaded
    assert loaded & HEAVY == set()
