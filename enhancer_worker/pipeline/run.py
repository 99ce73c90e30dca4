"""Runs a recipe: decode once, each distinct list of steps once, encode once per role."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.colour_gate import Colours, unmoved
from enhancer_worker.pipeline.context import Context, Picture
from enhancer_worker.pipeline.decode import OpenedSource, decode, open_source
from enhancer_worker.pipeline.encode import encode
from enhancer_worker.pipeline.guards import keep_neutral, lock_white
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.pipeline.steps.upscale import upscale
from enhancer_worker.pipeline.text_guard import text_figures
from enhancer_worker.pipeline.text_regions import Box, find_text
from enhancer_worker.pipeline.transparency import fill_transparent
from shopimg.contract import (
    Deadline,
    EnhancedImage,
    Recipe,
    RecipeError,
    Restore,
    Role,
    Step,
    StepReport,
    Upscale,
)
from shopimg.contract.limits import check_output_size
from shopimg.contract.provenance import source_type_after, xmp_packet

StepFunction = Callable[[Picture, Any, Tools], StepOutcome]

STEP_FUNCTIONS: Mapping[type[Step], StepFunction] = {
    Restore: restore,
    Upscale: upscale,
}
"""What carries out each operation of the contract."""


def run_recipe(
    content: bytes, recipe: Recipe, *, engine: Engine, deadline: Deadline
) -> list[EnhancedImage]:
    """Make every role of a recipe out of one upload.

    Args:
        content: the uploaded file.
        recipe: what to make.
        engine: runs networks.
        deadline: asked between steps and between tiles.

    Raises:
        SourceError: the file cannot be used, or would become too large.
        RecipeError: a step or an output format that this worker does not know.
        CapacityError: not enough memory.
        DeadlineExceededError: the time is over.
    """
    deadline.check()
    _check_steps(recipe)
    source = open_source(content)
    for role in recipe.roles:
        check_output_size(*role.result_size(*source.size))
    return _RecipeRun(source, recipe, Tools(engine, deadline)).images()


class _RecipeRun:
    """One upload on its way through all roles; roles that begin alike share the work."""

    def __init__(self, source: OpenedSource, recipe: Recipe, tools: Tools) -> None:
        self._recipe = recipe
        self._tools = tools
        self._declared = source.declared_source_type
        started = time.perf_counter()
        picture, facts = decode(source)
        report = StepReport("decode", time.perf_counter() - started, facts)
        self._original = _fill(picture)
        start = Context(self._original, (report,))
        self._done: dict[tuple[Step, ...], Context] = {(): start}

    def images(self) -> list[EnhancedImage]:
        """Finish the roles in the recipe's order."""
        images = []
        for position, role in enumerate(self._recipe.roles):
            images.append(self._finish(role))
            self._forget(self._recipe.roles[position + 1 :])
        return images

    def _finish(self, role: Role) -> EnhancedImage:
        context = self._follow(role.steps)
        deadline = self._tools.deadline
        deadline.check()
        context, quality = self._pass_colour_gate(context)
        context, text = self._compare_text(context)
        deadline.check()
        source_type = source_type_after(self._declared, pixels_changed=context.pixels_changed)
        started = time.perf_counter()
        encoded = encode(context.picture, role.output, xmp_packet(source_type))
        details = {"format": encoded.format, "bytes": len(encoded.content)}
        report = StepReport("encode", time.perf_counter() - started, details)
        deadline.check()
        return EnhancedImage(
            role=role.name,
            content=encoded.content,
            mime_type=encoded.mime_type,
            width=context.picture.width,
            height=context.picture.height,
            steps=(*context.reports, report),
            digital_source_type=source_type,
            weights=context.weights,
            quality={**context.quality, **quality, **text},
        )

    def _follow(self, steps: tuple[Step, ...]) -> Context:
        shared = max(n for n in range(len(steps) + 1) if steps[:n] in self._done)
        context = self._done[steps[:shared]]
        for count in range(shared + 1, len(steps) + 1):
            self._tools.deadline.check()
            context = _take_step(context, steps[count - 1], self._tools)
            self._done[steps[:count]] = context
        return context

    def _pass_colour_gate(self, context: Context) -> tuple[Context, Mapping[str, float]]:
        if not context.pixels_changed:
            return context, unmoved(context.picture).figures()
        started = time.perf_counter()
        verdict = self._colours.judge(context.picture)
        if verdict is None:
            return context, {}
        details = {"corrected": verdict.corrected}
        report = StepReport("colour_gate", time.perf_counter() - started, details)
        context = dataclasses.replace(
            context, picture=verdict.picture, reports=(*context.reports, report)
        )
        return context, verdict.figures()

    def _compare_text(self, context: Context) -> tuple[Context, Mapping[str, float]]:
        if not context.pixels_changed:
            return context, {}
        started = time.perf_counter()
        runs = [run for report in context.reports for run in report.details.get("runs", ())]
        figures = text_figures(self._original.pixels, context.picture.pixels, self._text, runs)
        report = StepReport("text_guard", time.perf_counter() - started)
        return dataclasses.replace(context, reports=(*context.reports, report)), figures

    @functools.cached_property
    def _colours(self) -> Colours:
        return Colours.of(self._original)

    @functools.cached_property
    def _text(self) -> tuple[Box, ...]:
        return find_text(self._original.pixels)

    def _forget(self, roles: Sequence[Role]) -> None:
        """Keep only what later roles begin with; for them that work costs no time."""
        wanted = {role.steps[:n] for role in roles for n in range(len(role.steps) + 1)}
        self._done = {
            steps: _at_no_cost(context) for steps, context in self._done.items() if steps in wanted
        }


def _take_step(context: Context, step: Step, tools: Tools) -> Context:
    started = time.perf_counter()
    before = context.picture
    outcome = STEP_FUNCTIONS[type(step)](before, step, tools)
    after = outcome.picture
    changed = after is not before
    if changed:
        lock_white(before.pixels, after.pixels)
        if after.grey:
            keep_neutral(after.pixels)
    report = StepReport(step.name, time.perf_counter() - started, outcome.details)
    return Context(
        after,
        (*context.reports, report),
        {**context.weights, **outcome.weights},
        {**context.quality, **outcome.quality},
        context.pixels_changed or changed,
    )


def _at_no_cost(context: Context) -> Context:
    reports = tuple(dataclasses.replace(report, seconds=0.0) for report in context.reports)
    return dataclasses.replace(context, reports=reports)


def _fill(picture: Picture) -> Picture:
    if picture.alpha is None:
        return picture
    return dataclasses.replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha))


def _check_steps(recipe: Recipe) -> None:
    for role in recipe.roles:
        for step in role.steps:
            if type(step) not in STEP_FUNCTIONS:
                raise RecipeError(f"This worker does not know the step {step.name!r}.")
