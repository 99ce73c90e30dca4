"""The worker's command line, with a stand-in for the networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from enhancer_worker import enhance_command
from enhancer_worker.__main__ import main
from enhancer_worker.config import WorkerConfig
from shopimg.backends.pillow import PillowEnhancer
from shopimg.contract import Deadline, EnhancedImage, Output, Recipe, Restore, Upscale

RECIPES = {
    "zoom": {"main": {"steps": [{"step": "upscale", "scale": 4}], "output": {"format": "webp"}}},
    "pair": {
        "large": {"steps": [{"step": "upscale", "to": 100}], "output": {"format": "png"}},
        "small": {"steps": [{"step": "restore"}]},
    },
}


class LightEnhancer(PillowEnhancer):
    """Takes the place of the networks."""

    configs: ClassVar[list[WorkerConfig]] = []
    recipes: ClassVar[list[Recipe]] = []

    def __init__(self, config: WorkerConfig) -> None:
        self.configs.append(config)

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        self.recipes.append(recipe)
        return super().enhance(source, recipe, deadline=deadline)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def light_enhancer(monkeypatch: pytest.MonkeyPatch) -> type[LightEnhancer]:
    monkeypatch.setattr(enhance_command, "NeuralEnhancer", LightEnhancer)
    monkeypatch.setattr(LightEnhancer, "configs", [])
    monkeypatch.setattr(LightEnhancer, "recipes", [])
    return LightEnhancer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one of them in a folder below, and a file that is no picture."""
    source = tmp_path / "in"
    (source / "deeper").mkdir(parents=True)
    Image.new("RGB", (32, 24), (200, 30, 40)).save(source / "a.jpg")
    Image.new("RGB", (24, 32), (20, 30, 240)).save(source / "deeper" / "b.PNG")
    (source / "notes.txt").write_text("not a picture")
    (tmp_path / "recipes.json").write_text(json.dumps(RECIPES))
    return source


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["enhance", *map(str, arguments)])


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_enhance__writes_one_file(folder: Path, tmp_path: Path) -> None:
    result = run(folder / "a.jpg", tmp_path / "out.jpg")
    assert result.exit_code == 0, result.output
    assert size_of(tmp_path / "out.jpg") == (64, 48)
    assert f"{tmp_path / 'out.jpg'}  64x48" in result.output


def test_enhance__writes_into_a_folder_that_is_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run(folder / "a.jpg", tmp_path / "out").exit_code == 0
    assert files(tmp_path / "out") == ["a.jpg"]


def test_enhance__gives_files_the_ending_of_their_format(folder: Path, tmp_path: Path) -> None:
    recipes = tmp_path / "recipes.json"
    result = run(folder, tmp_path / "out", "--recipes", recipes, "--recipe", "zoom")
    assert result.exit_code == 0, result.output
    assert files(tmp_path / "out") == ["a.webp", "deeper/b.webp"]


def test_enhance__names_files_after_roles(folder: Path, tmp_path: Path) -> None:
    run(folder / "a.jpg", tmp_path / "x.jpg", "--recipes", tmp_path / "recipes.json",
        "--recipe", "pair")  # fmt: skip
    assert size_of(tmp_path / "x-large.png") == (100, 75)
    assert size_of(tmp_path / "x-small.jpg") == (32, 24)


def test_enhance__goes_on_after_a_bad_file(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    result = run(folder, tmp_path / "out")
    assert result.exit_code == 1
    assert files(tmp_path / "out") == ["a.jpg", "deeper/b.jpg"]
    assert "broken.jpg: The uploaded file is damaged" in result.output
    assert "[source_unreadable]" in result.output
    assert "1 of 3 pictures failed." in result.output


def test_enhance__prints_json(folder: Path, tmp_path: Path) -> None:
    (folder / "empty.png").write_bytes(b"")
    result = run(folder, tmp_path / "out", "--json")
    first, second, third = [json.loads(line) for line in result.stdout.splitlines()]
    assert first["source"].endswith("a.jpg")
    assert first["outputs"][0]["width"] == 64
    assert first["outputs"][0]["digital_source_type"].endswith("/algorithmicallyEnhanced")
    assert list(first["outputs"][0]["steps"]) == ["decode", "restore", "upscale", "encode"]
    assert second["outputs"][0]["path"].endswith("deeper/b.jpg")
    assert third["code"] == "source_unreadable"
    assert result.exit_code == 1


def test_enhance__does_not_overwrite(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jpg").write_bytes(b"precious")
    result = run(folder / "a.jpg", tmp_path / "out.jpg")
    assert result.exit_code == 0
    assert f"{folder / 'a.jpg'}: skipped: there already" in result.output
    assert (tmp_path / "out.jpg").read_bytes() == b"precious"
    assert run(folder / "a.jpg", tmp_path / "out.jpg", "--overwrite").exit_code == 0
    assert size_of(tmp_path / "out.jpg") == (64, 48)


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("in", "in"),
        ("in", "in/deeper/../"),
        ("in", "in/results"),
        ("in", "."),
        ("in", "link"),
        ("in", "link/results"),
        ("in/a.jpg", "in"),
        ("in/a.jpg", "in/a.jpg"),
        ("in/a.jpg", "in/a.png"),
        ("in/a.jpg", "link/a.jpg"),
    ],
)
def test_enhance__never_alters_an_original(
    source: str,
    target: str,
    dry_run: list[str],
    folder: Path,
    tmp_path: Path,
    light_enhancer: type[LightEnhancer],
) -> None:
    (tmp_path / "link").symlink_to(folder)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = run(tmp_path / source, f"{tmp_path}/{target}", "--overwrite", *dry_run)
    assert result.exit_code == 2, result.output
    assert "originals are never altered" in result.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert light_enhancer.configs == []


def test_enhance__resumes_a_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").write_bytes(b"done")
    plan = run(folder, tmp_path / "out", "--dry-run")
    assert f"{folder / 'a.jpg'}: skipped: there already" in plan.output
    result = run(folder, tmp_path / "out", "--json")
    assert result.exit_code == 0
    first, second = [json.loads(line) for line in result.stdout.splitlines()]
    assert first["skipped"] == "there already"
    assert second["outputs"][0]["path"] == str(tmp_path / "out" / "deeper" / "b.jpg")
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"done"


def test_enhance__refuses_a_folder_that_cannot_be_written(
    folder: Path, tmp_path: Path, light_enhancer: type[LightEnhancer]
) -> None:
    (tmp_path / "file.jpg").write_bytes(b"precious")
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    file = run(folder, tmp_path / "file.jpg", "--overwrite")
    twice = run(folder, tmp_path / "out")
    assert (file.exit_code, twice.exit_code) == (2, 2)
    assert "file.jpg is a file, and SOURCE a folder." in file.output
    assert f"{folder / 'a.jpg'} and {folder / 'a.png'} would be one file" in twice.output
    assert light_enhancer.configs == []


def test_enhance__writes_beside_the_original_under_another_name(folder: Path) -> None:
    original = (folder / "a.jpg").read_bytes()
    assert run(folder / "a.jpg", folder / "a-large.jpg").exit_code == 0
    assert size_of(folder / "a-large.jpg") == (64, 48)
    assert (folder / "a.jpg").read_bytes() == original


def test_enhance__dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    result = run(folder, tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert f"{folder / 'a.jpg'} -> {tmp_path / 'out' / 'a.jpg'}" in result.output
    assert f"{folder / 'deeper/b.PNG'} -> {tmp_path / 'out/deeper/b.jpg'}" in result.output
    assert "2 pictures, recipe clean, roles: main. Nothing was written." in result.output
    assert not (tmp_path / "out").exists()


def test_enhance__knows_every_built_in_recipe(folder: Path, tmp_path: Path) -> None:
    result = run(folder / "a.jpg", tmp_path / "x.jpg", "--recipe", "catalogue", "--dry-run")
    names = ["main.jpg", "white.png", *(f"scene-{number}.jpg" for number in (1, 2, 3))]
    lines = [f"{folder / 'a.jpg'} -> {tmp_path}/x-{name}" for name in names]
    assert result.output.splitlines()[:-1] == lines


def test_enhance__stops_a_picture_that_takes_too_long(folder: Path, tmp_path: Path) -> None:
    result = run(folder / "a.jpg", tmp_path / "out.jpg", "--timeout", -1)
    assert result.exit_code == 1
    assert "[deadline_exceeded]" in result.output


def test_enhance__hands_the_device_on(
    folder: Path, tmp_path: Path, light_enhancer: type[LightEnhancer]
) -> None:
    run(folder / "a.jpg", tmp_path / "out.jpg", "--device", "torch-cpu")
    assert [config.device for config in light_enhancer.configs] == ["torch-cpu"]


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        (["--scale", 3], (96, 72)),
        (["--scale", 4, "--strength", 0.5, "--flavour", "faithful"], (128, 96)),
        (["--to", 100], (100, 75)),
        (["--flavour", "photo"], (64, 48)),
    ],
)
def test_enhance__enlarges_as_the_options_say(
    arguments: Sequence[object], size: tuple[int, int], folder: Path, tmp_path: Path
) -> None:
    result = run(folder / "a.jpg", tmp_path / "out.jpg", *arguments)
    assert result.exit_code == 0, result.output
    assert size_of(tmp_path / "out.jpg") == size


def test_enhance__changes_every_step_that_enlarges_and_nothing_else(
    folder: Path, tmp_path: Path, light_enhancer: type[LightEnhancer]
) -> None:
    arguments = ["--recipes", tmp_path / "recipes.json", "--recipe", "pair"]
    options = ["--scale", 3, "--flavour", "faithful", "--strength", 0.25]
    assert run(folder / "a.jpg", tmp_path / "x.jpg", *arguments, *options).exit_code == 0
    (recipe,) = light_enhancer.recipes
    upscale = Upscale(scale=3, flavour="faithful", strength=0.25)
    assert [role.steps for role in recipe.roles] == [(upscale,), (Restore(),)]
    assert recipe.roles[0].output == Output("png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "gpu"], "ENHANCER_DEVICE='gpu'"),
        (["--recipe", "zoom"], "only clean, white, scene, catalogue, feed, or --recipes FILE"),
        (["--recipes", "recipes.json", "--recipe", "none"], "only zoom, pair"),
        (["--recipes", "broken.json"], "not a JSON table"),
        (["--scale", "5"], "upscale.scale must be 2, 3 or 4, not 5."),
        (["--scale", "2", "--to", "100"], "upscale needs either scale or to."),
        (["--to", "13000"], "upscale.to must be 16 to 12000 pixels, not 13000."),
        (["--strength", "1.5"], "upscale.strength must be between 0 and 1, not 1.5."),
        (["--flavour", "sharp"], "'sharp' is not one of 'auto', 'photo', 'faithful'"),
        (
            ["--recipes", "wrong.json", "--recipe", "small", "--scale", "2"],
            "The recipe 'small' does not enlarge.",
        ),
        (["--recipes", "wrong.json", "--recipe", "bad"], "upscale.scale must be 2, 3 or 4, not 5."),
    ],
)
def test_enhance__explains_a_wrong_command(
    arguments: Sequence[str],
    words: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = {
        "bad": {"main": {"steps": [{"step": "upscale", "scale": 5}]}},
        "small": {"main": {"steps": [{"step": "restore"}]}},
    }
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    result = run(folder, tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "out").exists()


def test_enhance__says_that_a_folder_is_empty(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    result = run(tmp_path / "in", tmp_path / "out")
    assert result.exit_code == 1
    assert "There are no pictures" in result.output
