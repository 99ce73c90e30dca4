"""What is installed: by a shop, by a worker, by a developer."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = {
    "shopimg": "shopimg",
    "enhancer_worker": "enhancer_worker",
    "templates/shopimg": "shopimg/templates/shopimg",
}
"""Folder of the repository -> where the wheel puts it."""


def _pins() -> dict[str, str]:
    """Return name -> version of everything that the lock installs on this machine."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and line.lstrip()[0] != "#"]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def _declared(name: str, extras: frozenset[str]) -> list[Requirement]:
    """Return what a distribution asks for here, given some of its extras."""
    if name == PROJECT["name"]:
        optional = PROJECT["optional-dependencies"]
        lines = [*PROJECT["dependencies"], *(line for extra in extras for line in optional[extra])]
        return [Requirement(line) for line in lines]
    return [
        requirement
        for requirement in map(Requirement, distribution(name).requires or [])
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""})
    ]


def _needed(*extras: str) -> list[Requirement]:
    """Return what the project asks for, what that asks for, and so on."""
    seen: set[tuple[str, frozenset[str]]] = set()
    needed: list[Requirement] = []
    todo = [(PROJECT["name"], frozenset(extras))]
    while todo:
        entry = todo.pop()
        if entry not in seen:
            seen.add(entry)
            asked = _declared(*entry)
            needed += asked
            todo += [(canonicalize_name(one.name), frozenset(one.extras)) for one in asked]
    return [requirement for requirement in needed if requirement.name != PROJECT["name"]]


def test_lock__pins_exactly_what_is_needed() -> None:
    needed, pins = _needed("dev"), _pins()
    assert {canonicalize_name(requirement.name) for requirement in needed} == set(pins)
    unmet = [one for one in needed if not one.specifier.contains(pins[canonicalize_name(one.name)])]
    assert unmet == [], "run make lock"


def test_lock__is_what_is_installed() -> None:
    assert {name: version(name).partition("+")[0] for name in _pins()} == _pins()


@pytest.mark.parametrize("name", ["numpy", "openvino", "torch", "torchvision"])
def test_plain_install__brings_nothing_heavy(name: str) -> None:
    needed = {canonicalize_name(requirement.name) for requirement in _needed()}
    assert "django" in needed
    assert name not in needed


def test_wheel__holds_everything_that_runs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.check_output(["git", "ls-files", *SHIPPED], cwd=ROOT, text=True)
    assert {_place(name) for name in tracked.splitlines()} - packed == set()
    assert {name.partition("/")[0].partition("-")[0] for name in packed} == {
        "shopimg",
        "enhancer_worker",
    }


def _place(name: str) -> str:
    (folder,) = (folder for folder in SHIPPED if name.startswith(f"{folder}/"))
    return SHIPPED[folder] + name.removeprefix(folder)
