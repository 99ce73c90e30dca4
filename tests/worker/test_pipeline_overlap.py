"""A job writes one picture while it makes the next one."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline import run as run_module
from enhancer_worker.pipeline.background import HERE, Background
from enhancer_worker.pipeline.context import Context
from enhancer_worker.pipeline.finish import Written, write
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.steps.upscale import upscale
from shopimg.contract import EnhancedImage, Frame, PixelLockError, Recipe, Role, Upscale
from tests.worker.recipe_runs import NO_LIMIT, PNG, photo, png

ROLES = tuple(Role(f"x{scale}", (Upscale(scale=scale),), PNG) for scale in (2, 3))
TWO_PICTURES = Recipe("two", ROLES)
BROKEN = Role("broken", (Frame(margins=(0, 0, 0, 0)),), PNG)


@pytest.fixture(params=[True, False], ids=["overlapping", "one after the other"])
def overlapping(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def background(overlapping: bool) -> Iterator[Background]:
    one = Background(overlap=overlapping)
    yield one
    one.close()


def test_second_picture__is_begun_before_the_first_is_written(
    engine: Engine, background: Background, overlapping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, second_begun = threading.Event(), threading.Event()
    begun_meanwhile: list[bool] = []

    def slow_write(*arguments: Any) -> Written:
        writing.set()
        begun_meanwhile.append(second_begun.wait(10 if overlapping else 0.1))
        return write(*arguments)

    def step_begins(picture: Any, step: Upscale, tools: Any) -> Any:
        if step.scale == 3:
            # The thread that writes may need a moment to start.
            if overlapping:
                assert writing.wait(10)
            second_begun.set()
        return upscale(picture, step, tools)

    monkeypatch.setattr(run_module, "write", slow_write)
    steps = {**run_module.STEP_FUNCTIONS, Upscale: step_begins}
    monkeypatch.setattr(run_module, "STEP_FUNCTIONS", steps)
    run(TWO_PICTURES, engine, background)
    assert begun_meanwhile[0] is overlapping


def test_result__does_not_depend_on_the_overlap(engine: Engine, background: Background) -> None:
    found, usual = (run(TWO_PICTURES, engine, one) for one in (background, HERE))
    assert [without_seconds(image) for image in found] == [without_seconds(i) for i in usual]
    names = ["decode", "upscale", "colour_gate", "text_guard", "encode"]
    assert [[report.name for report in image.steps] for image in found] == [names, names]


def test_failed_writing__fails_the_job(
    engine: Engine, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> Written:
        raise PixelLockError(detail="first")

    monkeypatch.setattr(run_module, "write", refuse)
    with pytest.raises(PixelLockError) as caught:
        run(TWO_PICTURES, engine, background)
    assert caught.value.detail == "first"


def test_failed_writing__is_told_before_a_later_failure(
    engine: Engine, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for good, and a job that fails otherwise would be tried again."""

    def refuse(*_arguments: Any) -> Written:
        raise PixelLockError(detail="first")

    def fail(*_arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(run_module, "write", refuse)
    monkeypatch.setattr(run_module, "STEP_FUNCTIONS", {**run_module.STEP_FUNCTIONS, Frame: fail})
    with pytest.raises(PixelLockError):
        run(Recipe("r", (ROLES[0], BROKEN)), engine, background)


def test_written_pictures__are_let_go(
    engine: Engine, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most one is kept while the next one is made, and none where nothing overlaps."""
    written: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def remember(context: Context, *arguments: Any) -> Written:
        written.append(weakref.ref(context.picture.pixels))
        return write(context, *arguments)

    def count(picture: Any, step: Upscale, tools: Any) -> Any:
        alive.append(sum(one() is not None for one in written))
        return upscale(picture, step, tools)

    monkeypatch.setattr(run_module, "write", remember)
    monkeypatch.setattr(run_module, "STEP_FUNCTIONS", {**run_module.STEP_FUNCTIONS, Upscale: count})
    roles = (*ROLES, Role("x4", (Upscale(scale=4),), PNG))
    run(Recipe("three", roles), engine, background)
    assert max(alive) <= background.overlaps


def test_failed_step__waits_for_what_is_being_written(
    engine: Engine, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a job outlives it: its pictures are in memory."""
    written: list[str] = []

    def late_write(*arguments: Any) -> Written:
        time.sleep(0.05)
        result = write(*arguments)
        written.append("first")
        return result

    monkeypatch.setattr(run_module, "write", late_write)

    def fail(*_arguments: Any) -> Any:
        raise RuntimeError("broken")

    steps = {**run_module.STEP_FUNCTIONS, Frame: fail}
    monkeypatch.setattr(run_module, "STEP_FUNCTIONS", steps)
    with pytest.raises(RuntimeError, match="broken"):
        run(Recipe("r", (ROLES[0], BROKEN)), engine, background)
    assert written == ["first"]


def test_background__keeps_what_work_raises_for_who_asks(background: Background) -> None:
    future = background.submit(int, "x")
    assert background.submit(int, "7").result() == 7
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()


def test_background__keeps_no_memory_of_what_failed(background: Background) -> None:
    """Not even until Python looks for circles: memory may be short just then."""

    class Held:
        pass

    def fail(_held: Held) -> None:
        raise ValueError

    held = Held()
    seen = weakref.ref(held)
    gc.disable()
    try:
        future = background.submit(fail, held)
        with pytest.raises(ValueError):  # noqa: PT011 - of its own
            future.result()
        background.settle()
        del held, future
        assert seen() is None
    finally:
        gc.enable()


def test_background__runs_in_a_process_that_was_forked(background: Background) -> None:
    assert background.submit(int, "7").result() == 7
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        # A test that failed here would go on in two processes.
        os.write(writing, str(background.submit(int, "8").result(10)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"8"
    os.close(reading)


def test_background__drops_what_it_has_not_begun() -> None:
    background, go_on = Background(overlap=True), threading.Event()
    begun, waiting = background.submit(go_on.wait, 10), background.submit(int, "7")
    threading.Timer(0.05, go_on.set).start()
    background.settle()
    assert begun.result() is True
    assert waiting.cancelled()
    background.close()


def test_enhancer__ends_its_thread() -> None:
    """The next job starts another one."""
    others = background_threads()
    enhancer = NeuralEnhancer(WorkerConfig(device="cpu"))
    for _ in range(2):
        enhancer.enhance(png(photo()), TWO_PICTURES, deadline=NO_LIMIT)
        assert len(background_threads() - others) == 1
        enhancer.close()
        assert background_threads() <= others


def test_enhancer__overlaps_only_where_it_may() -> None:
    others = background_threads()
    enhancer = NeuralEnhancer(WorkerConfig(device="cpu", overlap=False))
    enhancer.enhance(png(photo()), TWO_PICTURES, deadline=NO_LIMIT)
    assert background_threads() <= others
    enhancer.close()


def background_threads() -> set[threading.Thread]:
    """Those of all enhancers of this process."""
    return {t for t in threading.enumerate() if t.name.startswith("shopimg-background")}


def run(recipe: Recipe, engine: Engine, background: Background) -> list[EnhancedImage]:
    return run_recipe(png(photo()), recipe, engine=engine, deadline=NO_LIMIT, background=background)


def without_seconds(image: EnhancedImage) -> EnhancedImage:
    reports = tuple(dataclasses.replace(report, seconds=0.0) for report in image.steps)
    return dataclasses.replace(image, steps=reports)
