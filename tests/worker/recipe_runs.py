"""Recipes over small pictures, for tests of the whole pipeline."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.steps.upscale import upscale
from shopimg.contract import Deadline, EnhancedImage, Output, Recipe, Role, Step, Upscale

NO_LIMIT = Deadline(math.inf)
PNG = Output("png")


def photo(width: int = 48, height: int = 40) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(pixels: NDArray[np.uint8], **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), **options)


def pixels_of(image: EnhancedImage) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(image.content)))


def recipe_of(*steps: Step, output: Output = PNG) -> Recipe:
    return Recipe("test", (Role("main", steps, output),))


def run_one(engine: Engine, content: bytes, *steps: Step, output: Output = PNG) -> EnhancedImage:
    (image,) = run_recipe(
        content, recipe_of(*steps, output=output), engine=engine, deadline=NO_LIMIT
    )
    return image


def noise(width: int = 48, height: int = 40) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def enlarged(engine: Engine, step: Upscale, pixels: NDArray[np.uint8] | None = None) -> StepOutcome:
    picture = Picture(noise() if pixels is None else pixels)
    return upscale(picture, step, Tools(engine, NO_LIMIT))
