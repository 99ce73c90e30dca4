"""Enhancers that misbehave on purpose; a test names one as ``SHOPIMG["ENHANCER"]``."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from PIL import Image, ImageDraw

from shopimg.backends.echo import EchoEnhancer
from shopimg.contract import (
    NO_MASKS,
    Backdrop,
    Cutout,
    Deadline,
    EnhancedImage,
    Forecast,
    JobCost,
    ProductNotFoundError,
    Recipe,
    StepReport,
)
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED
from shopimg.contract.recipe import Role


class HaltingEnhancer(EchoEnhancer):
    """Says which process works, then waits for the file ``go`` in ``settings.SIGNAL_DIR``."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        folder = Path(settings.SIGNAL_DIR)
        (folder / f"working-{os.getpid()}").touch()
        while not (folder / "go").exists():
            deadline.check()
            time.sleep(0.02)
        return super().enhance(source, recipe, deadline=deadline)


class SlowlyLoadingEnhancer(EchoEnhancer):
    """Counts how often it is made, which takes a moment."""

    made = 0

    def __init__(self) -> None:
        time.sleep(0.05)
        type(self).made += 1


class ForecastingEnhancer(EchoEnhancer):
    """Predicts a microsecond and four bytes per pixel, and a second to warm up."""

    def forecast(self, sizes: Sequence[tuple[int, int]], recipe: Recipe) -> Forecast:
        pixels = [width * height for width, height in sizes]
        return Forecast([JobCost(number * 1e-6, 1.0, number * 4.0) for number in pixels], 2)


class PoisonedEnhancer(EchoEnhancer):
    """Kills its process, as a codec that trips over an image would; notes each attempt."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        with (Path(settings.SIGNAL_DIR) / "attempts").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError("still alive")


class ConnectionCountingEnhancer(EchoEnhancer):
    """Notes which database connection of the server its process talks over."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()
        (Path(settings.SIGNAL_DIR) / f"backend-{os.getpid()}-{backend}").touch()
        return super().enhance(source, recipe, deadline=deadline)


class TunedEnhancer(EchoEnhancer):
    """Says that it ran weights whose digest is all nines."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        images = super().enhance(source, recipe, deadline=deadline)
        return [replace(image, weights={"restore_s": "9" * 64}) for image in images]


class RaisingEnhancer(EchoEnhancer):
    """Raises what no contract allows, with a character that PostgreSQL cannot store."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        raise ZeroDivisionError("header \0 damaged")

    def forecast(self, sizes: Sequence[tuple[int, int]], recipe: Recipe) -> Forecast:
        raise ZeroDivisionError("header \0 damaged")


class BlindEnhancer(EchoEnhancer):
    """Finds no product in any photo, and makes what needs none."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        images = super().enhance(source, recipe, deadline=deadline)
        raise ProductNotFoundError(images=[image for image in images if image.role == "main"])


class LosingEnhancer(EchoEnhancer):
    """Loses its CUDA device in the first process that works, and notes every process."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        from enhancer_worker.errors import working

        folder = Path(settings.SIGNAL_DIR)
        first = not list(folder.glob("process-*"))
        spawned = os.environ.get("FORKED_BY_MULTIPROCESSING", "0")
        note = f"{spawned} {'lost' if first else 'worked'}"
        (folder / f"process-{os.getpid()}").write_text(note)
        with working():
            if first:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return super().enhance(source, recipe, deadline=deadline)


class ScenicEnhancer:
    """Takes the middle of a picture for the product, or a corrected mask, and sets it elsewhere."""

    def enhance(
        self,
        source: bytes,
        recipe: Recipe,
        *,
        deadline: Deadline,
        masks: Mapping[str, bytes] = NO_MASKS,
    ) -> Sequence[EnhancedImage]:
        with Image.open(io.BytesIO(source)) as opened:
            upload = opened.convert("RGB")
        return [
            _scene(upload, role, candidate, masks)
            for role in recipe.roles
            for candidate in range(role.candidates)
        ]


def _scene(
    upload: Image.Image, role: Role, candidate: int, masks: Mapping[str, bytes]
) -> EnhancedImage:
    steps = {type(step): step for step in role.steps_of(candidate)}
    cutout, backdrop = steps.get(Cutout), steps.get(Backdrop)
    product = _middle(upload.size)
    if isinstance(cutout, Cutout) and cutout.mask:
        with Image.open(io.BytesIO(masks[cutout.mask])) as corrected:
            product = corrected.copy()
    scene = upload
    if isinstance(backdrop, Backdrop):
        shade = 90 + 37 * backdrop.seed % 120
        colour = (255, 255, 255) if backdrop.is_plain else (shade, 150, 255 - shade)
        scene = Image.new("RGB", upload.size, colour)
        scene.paste(upload, mask=product)
    details = backdrop.options() if isinstance(backdrop, Backdrop) else {}
    report = StepReport("backdrop", 0.25, details)
    return EnhancedImage(
        role=role.name,
        content=_encoded(scene),
        mime_type="image/png",
        width=scene.width,
        height=scene.height,
        steps=(report,),
        digital_source_type=COMPOSITE_WITH_GENERATED,
        quality={"cutout_confidence": 0.95, "pixel_lock_p95": 0.0},
        candidate=candidate,
        mask=_encoded(product) if cutout else b"",
    )


def _middle(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    width, height = size
    box = (width // 4, height // 4, 3 * width // 4, 3 * height // 4)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class NotAnEnhancer:
    """Has no ``enhance``."""
