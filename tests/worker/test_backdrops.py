"""Backdrops without a network: one colour, a picture or a generator of the shop's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.backdrops.colour import plain
from enhancer_worker.pipeline.backdrops.image import from_file
from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.backdrops.registry import generator
from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import Backdrop, RecipeError, WorkerError
from shopimg.contract.provenance import COMPOSITE, UNKNOWN
from tests.worker.recipe_runs import NO_LIMIT, png

NOT_CALLABLE = 3


def own(step: Backdrop, width: int, height: int, tools: Tools) -> BackdropImage:
    return BackdropImage(np.full((height, width, 3), step.seed, np.uint8))


class Own:
    def __call__(self, step: Backdrop, width: int, height: int, tools: Tools) -> BackdropImage:
        return own(step, width, height, tools)


def tools_with(folder: Path | None) -> Tools:
    return Tools(Engine(WorkerConfig(device="torch-cpu", backdrops_dir=folder)), NO_LIMIT)


def of_picture(folder: Path | None, width: int, height: int) -> NDArray[np.uint8]:
    step = Backdrop(generator="image", image="wall.png")
    return from_file(step, width, height, tools_with(folder)).pixels


def test_colour__fills_the_picture_exactly() -> None:
    backdrop = plain(Backdrop(generator="colour", colour="#0af1ea"), 3, 2, tools_with(None))
    assert backdrop.pixels.tolist() == [[[10, 241, 234]] * 3] * 2
    assert backdrop.exact
    assert backdrop.source_type == UNKNOWN


def test_image__covers_the_frame_from_its_middle(tmp_path: Path) -> None:
    wall = np.zeros((40, 120, 3), np.uint8)
    wall[:, 40:80] = 200
    (tmp_path / "wall.png").write_bytes(png(wall))
    assert (of_picture(tmp_path, 40, 40) == 200).all()
    wide = of_picture(tmp_path, 240, 80)
    assert wide.shape == (80, 240, 3)
    assert wide[40, [10, 120, 230], 0].tolist() == [0, 200, 0]


def test_image__is_a_composite_whose_light_may_be_fitted(tmp_path: Path) -> None:
    (tmp_path / "wall.png").write_bytes(png(np.zeros((40, 40, 3), np.uint8)))
    step = Backdrop(generator="image", image="wall.png")
    backdrop = from_file(step, 80, 60, tools_with(tmp_path))
    assert backdrop.source_type == COMPOSITE
    assert not backdrop.exact
    assert backdrop.details == {"image": "wall.png", "scale": 2.0}


def test_image__drops_transparency(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (9, 8, 7, 0)).save(tmp_path / "wall.png")
    assert (of_picture(tmp_path, 20, 20) == (9, 8, 7)).all()


def test_image__that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"have no backdrop 'wall\.png'"):
        of_picture(tmp_path, 40, 40)


def test_image__that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "wall.png").write_bytes(b"no picture")
    with pytest.raises(RecipeError, match=r"backdrop 'wall\.png' cannot be used"):
        of_picture(tmp_path, 40, 40)


def test_image__that_is_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    Image.new("1", (15_000, 15_000)).save(tmp_path / "wall.png")
    with pytest.raises(RecipeError, match="larger than this shop accepts"):
        of_picture(tmp_path, 40, 40)


def test_image__needs_the_folder_of_the_setting() -> None:
    with pytest.raises(WorkerError, match="ENHANCER_BACKDROPS_DIR"):
        of_picture(None, 40, 40)


def test_image__that_cannot_be_read_is_an_error_of_the_worker(tmp_path: Path) -> None:
    (tmp_path / "wall.png").mkdir()
    with pytest.raises(WorkerError, match=r"wall\.png"):
        of_picture(tmp_path, 40, 40)


@pytest.mark.parametrize("name", ["own", "Own"])
def test_generator__is_found_by_its_path(name: str) -> None:
    make = generator(f"{__name__}.{name}")
    backdrop = make(Backdrop(seed=9), 5, 4, tools_with(None))
    assert backdrop.pixels.shape == (4, 5, 3)
    assert (backdrop.pixels == 9).all()


def test_generator__knows_the_built_in_ones_by_name() -> None:
    assert generator("colour") is plain
    assert generator("image") is from_file


@pytest.mark.parametrize("path", ["no.such.module", f"{__name__}.missing", "nothing"])
def test_generator__that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(RecipeError, match=path):
        generator(path)


def test_generator__must_be_callable() -> None:
    with pytest.raises(RecipeError, match="cannot be called"):
        generator(f"{__name__}.NOT_CALLABLE")


def test_generator__whose_module_fails_is_an_error_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_backdrops.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WorkerError, match=r"broken_backdrops\.make.*division by zero"):
        generator("broken_backdrops.make")
