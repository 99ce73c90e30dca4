"""Each variable of the worker's environment is read, described, and shown by ``--help``."""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from enhancer_worker.__main__ import main
from enhancer_worker.config import WorkerConfig, variables
from shopimg.contract import WorkerError

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\bENHANCER_[A-Z_]+\b")
OTHER_VALUES = {
    "ENHANCER_DEVICE": "torch-cpu",
    "ENHANCER_PRECISION": "fp32",
    "ENHANCER_TIER": "m",
    "ENHANCER_THREADS": "3",
    "ENHANCER_TILE_SIZE": "96",
    "ENHANCER_JPEG_DECODER": "torchcodec",
    "ENHANCER_WEIGHTS_DIR": "/weights",
    "ENHANCER_WEIGHTS_URL": "https://weights.example",
    "ENHANCER_NETWORKS_DIR": "/networks",
    "ENHANCER_BACKDROPS_DIR": "/backdrops",
    "ENHANCER_ALLOW_PICKLED_NETWORKS": "1",
    "ENHANCER_GPU_MEMORY_SHARE": "0.5",
    "ENHANCER_CACHE_DIR": "/cache",
    "ENHANCER_STEP_CACHE_MEGABYTES": "64",
    "ENHANCER_OVERLAP": "0",
}


def test_variables__describe_one_field_each() -> None:
    names = [f"ENHANCER_{field.name.upper()}" for field in dataclasses.fields(WorkerConfig)]
    assert list(variables()) == names
    assert all(re.fullmatch(r"\S.*\.", text) for text in variables().values())


@pytest.mark.parametrize("name", variables())
def test_variables__change_their_field(name: str) -> None:
    changed = WorkerConfig.from_environment({name: OTHER_VALUES[name]})
    default = WorkerConfig.from_environment({})
    fields = [field.name for field in dataclasses.fields(WorkerConfig)]
    differing = [f for f in fields if getattr(changed, f) != getattr(default, f)]
    assert differing == [name.removeprefix("ENHANCER_").lower()]


def test_variables__that_are_empty_keep_the_default() -> None:
    assert WorkerConfig.from_environment(dict.fromkeys(variables(), "")) == WorkerConfig()


@pytest.mark.parametrize("name", ["ENHANCER_OVERLAP", "ENHANCER_ALLOW_PICKLED_NETWORKS"])
def test_switches__are_on_or_off(name: str) -> None:
    field = name.removeprefix("ENHANCER_").lower()
    for text, expected in (("0", False), ("1", True)):
        assert getattr(WorkerConfig.from_environment({name: text}), field) is expected
    with pytest.raises(WorkerError) as caught:
        WorkerConfig.from_environment({name: "false"})
    assert caught.value.detail == f"{name}='false': 1 or 0"


def test_help__lists_every_variable() -> None:
    result = CliRunner().invoke(main, ["--help"], terminal_width=100)
    assert result.exit_code == 0
    _, _, environment = result.output.partition("\nEnvironment:\n")
    assert re.findall(r"^  (\S+)", environment, re.MULTILINE) == list(variables())
    assert " ".join(variables()["ENHANCER_CACHE_DIR"].split()) in " ".join(environment.split())


def test_cache__has_a_place_for_users_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_user: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    folder = Path(tempfile.gettempdir()) / f"shopimg-{os.getuid()}"
    assert WorkerConfig().cache_dir == folder


def test_docs__name_only_variables_that_exist() -> None:
    files = [path for path in (ROOT / "docker").iterdir() if path.is_file()]
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *files]
    named = {name for page in pages for name in VARIABLE.findall(page.read_text())}
    assert "ENHANCER_DEVICE" in named
    assert named <= set(variables())


@pytest.mark.parametrize(
    ("given", "meant"),
    [("ENHANCER_DEVCE", "ENHANCER_DEVICE"), ("ENHANCER_WEIGHT_DIR", "ENHANCER_WEIGHTS_DIR")],
)
def test_variables__that_are_misspelt_are_told_once(
    given: str, meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert WorkerConfig.from_environment({given: "cuda"}) == WorkerConfig()
    assert caplog.messages == [f"{given} is no setting of the worker and changes nothing: {meant}?"]


@pytest.mark.parametrize(
    "name",
    ["ENHANCER_SERVICE_HOST", "ENHANCER_PORT", "ENHANCER_PORT_80_TCP", "DEVICE", *variables()],
)
def test_variables__of_others_are_left_alone(name: str, caplog: pytest.LogCaptureFixture) -> None:
    WorkerConfig.from_environment({name: OTHER_VALUES.get(name, "10.0.0.7")})
    assert caplog.messages == []
