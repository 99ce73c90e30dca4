"""`enhancer_worker plan`: what networks cost on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from enhancer_worker import plan_command
from enhancer_worker.engine.engine import Engine
from tests.worker.tiny_nets import TINY_ZOO


def test_plan__prints_a_table_and_measures_once(
    tmp_path: Path, measured_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "Engine", lambda config: Engine(config, TINY_ZOO))
    picture = tmp_path / "picture.png"
    Image.new("RGB", (90, 70)).save(picture)
    environment = {
        "ENHANCER_WEIGHTS_DIR": str(measured_weights),
        "ENHANCER_CACHE_DIR": str(tmp_path / "cache"),
        "ENHANCER_DEVICE": "torch-cpu",
    }
    done = CliRunner().invoke(plan_command.plan, ["64x48", str(picture)], env=environment)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["size", "64x48", "90x70", "2"]
    assert "restore_s on cpu (torch fp32): 1 of 192 px, 1 at once, best 192 px" in lines[1]
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert kept
    again = CliRunner().invoke(plan_command.plan, ["64x48"], env=environment)
    assert again.exit_code == 0, again.output
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert after == kept
    anew = CliRunner().invoke(plan_command.plan, ["64x48", "--again"], env=environment)
    assert anew.exit_code == 0, anew.output
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert after.keys() == kept.keys()
    assert all(after[name] > kept[name] for name in kept)


@pytest.mark.parametrize(("load", "warned"), [(0.0, False), (1e3, True)])
def test_plan__says_that_the_machine_is_busy(
    tmp_path: Path,
    measured_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: float,
    warned: bool,
) -> None:
    monkeypatch.setattr(plan_command, "Engine", lambda config: Engine(config, TINY_ZOO))
    monkeypatch.setattr(plan_command.os, "getloadavg", lambda: (load, 0.0, 0.0))
    environment = {
        "ENHANCER_WEIGHTS_DIR": str(measured_weights),
        "ENHANCER_CACHE_DIR": str(tmp_path / "cache"),
        "ENHANCER_DEVICE": "torch-cpu",
    }
    done = CliRunner().invoke(plan_command.plan, ["64x48"], env=environment)
    assert done.exit_code == 0, done.output
    assert ("The machine is busy (load 1000.0 on" in done.stderr) == warned


def test_plan__predicts_the_recipe_of_a_file(
    tmp_path: Path, measured_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "Engine", lambda config: Engine(config, TINY_ZOO))
    steps = [{"step": "upscale", "scale": 3, "flavour": "faithful"}]
    (tmp_path / "mine.json").write_text(json.dumps({"thrice": {"main": {"steps": steps}}}))
    environment = {
        "ENHANCER_WEIGHTS_DIR": str(measured_weights),
        "ENHANCER_CACHE_DIR": str(tmp_path / "cache"),
        "ENHANCER_DEVICE": "torch-cpu",
    }
    options = ["--recipes", str(tmp_path / "mine.json"), "--recipe"]
    done = CliRunner().invoke(plan_command.plan, ["64x48", *options, "thrice"], env=environment)
    assert done.exit_code == 0, done.output
    assert "upscale_x3_s on cpu (torch fp32): 1 of" in done.output
    assert "restore_s" not in done.output
    absent = CliRunner().invoke(plan_command.plan, ["64x48", *options, "twice"], env=environment)
    assert absent.exit_code == 2
    assert "has no recipe 'twice', only thrice" in absent.output


@pytest.mark.parametrize("text", ["ten", "10x", "100000x2"])
def test_plan__refuses_what_is_no_size(text: str) -> None:
    done = CliRunner().invoke(plan_command.plan, [text])
    assert done.exit_code == 2
    assert "neither WIDTHxHEIGHT nor a picture or a folder" in done.output


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0x10", "too small: both sides need at least 16 pixels"),
        ("12001x900", "a side over 12000 pixels"),
        ("9000x9000", "more than 50 megapixels"),
        ("1000x40", "too narrow"),
    ],
)
def test_plan__refuses_what_no_worker_takes(text: str, reason: str) -> None:
    done = CliRunner().invoke(plan_command.plan, [text])
    assert done.exit_code == 2
    assert text in done.output
    assert reason in " ".join(done.output.split())


def test_plan__refuses_networks_from_elsewhere_in_words(
    tmp_path: Path, measured_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "Engine", lambda config: Engine(config, TINY_ZOO))
    step = {"step": "upscale", "scale": 2, "network": "mine.safetensors", "sha256": "0" * 64}
    recipes = tmp_path / "recipes.json"
    recipes.write_text(json.dumps({"foreign": {"main": {"steps": [step]}}}))
    environment = {"ENHANCER_WEIGHTS_DIR": str(measured_weights), "ENHANCER_DEVICE": "torch-cpu"}
    options = ["--recipes", str(recipes), "--recipe", "foreign"]
    done = CliRunner().invoke(plan_command.plan, ["64x48", *options], env=environment)
    assert done.exit_code == 1
    assert "The costs of the network 'mine.safetensors' are not known." in done.output


def test_plan__adds_up_the_pictures_of_a_folder(
    tmp_path: Path, measured_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "Engine", lambda config: Engine(config, TINY_ZOO))
    catalogue = tmp_path / "catalogue"
    (catalogue / "mugs").mkdir(parents=True)
    for name, size in {"a": (64, 48), "mugs/b": (64, 48), "mugs/c": (90, 70)}.items():
        Image.new("RGB", size).save(catalogue / f"{name}.png")
    (catalogue / "broken.jpg").write_bytes(b"not a picture")
    environment = {"ENHANCER_WEIGHTS_DIR": str(measured_weights), "ENHANCER_DEVICE": "torch-cpu"}
    environment["ENHANCER_CACHE_DIR"] = str(tmp_path / "cache")
    done = CliRunner().invoke(plan_command.plan, [str(catalogue)], env=environment)
    assert done.exit_code == 0, done.output
    assert f"Left out: {catalogue / 'broken.jpg'}: " in done.stderr
    *_, first, second, total = done.stdout.splitlines()
    assert (first.split()[0], second.split()[0]) == ("64x48", "90x70")
    assert total.startswith("3 pictures of 2 sizes: at most 0.")
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(plan_command.plan, [str(tmp_path / "empty")], env=environment)
    assert done.exit_code == 2
    assert "there are no pictures" in done.output
