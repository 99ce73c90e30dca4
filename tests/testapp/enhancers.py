"""Enhancers that misbehave on purpose; a test names one as ``SHOPIMG["ENHANCER"]``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from shopimg.backends.echo import EchoEnhancer
from shopimg.contract import Deadline, EnhancedImage, Forecast, JobCost, Recipe


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


class RaisingEnhancer(EchoEnhancer):
    """Raises what no contract allows, with a character that PostgreSQL cannot store."""

    def enhance(
        self, source: bytes, recipe: Recipe, *, deadline: Deadline
    ) -> Sequence[EnhancedImage]:
        raise ZeroDivisionError("header \0 damaged")


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


class NotAnEnhancer:
    """Has no ``enhance``."""
