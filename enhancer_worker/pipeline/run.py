"""Runs a recipe: decode once, each distinct list of steps once, write once per image."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future
from typing import Any

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.threads import one_blas_thread
from enhancer_worker.pipeline.background import HERE, Background
from enhancer_worker.pipeline.context import Context, Picture
from enhancer_worker.pipeline.decode import OpenedSource, decode, open_source
from enhancer_worker.pipeline.finish import Written, enhanced_image, write
from enhancer_worker.pipeline.guards import keep_neutral, lock_white
from enhancer_worker.pipeline.judging import Judge
from enhancer_worker.pipeline.step_cache import (
    StepCache,
    UploadMemory,
    before_cutout,
    before_scene,
    has_scenes,
)
from enhancer_worker.pipeline.steps.backdrop import backdrop
from enhancer_worker.pipeline.steps.cutout import cutout
from enhancer_worker.pipeline.steps.frame import frame
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.pipeline.steps.upscale import upscale
from enhancer_worker.pipeline.transparency import fill_transparent
from shopimg.contract import (
    NO_MASKS,
    Backdrop,
    Cutout,
    Deadline,
    EnhancedImage,
    Frame,
    ProductNotFoundError,
    Recipe,
    RecipeError,
    Restore,
    Role,
    Step,
    StepReport,
    Upscale,
)
from shopimg.contract.limits import check_output_size
from shopimg.contract.provenance import source_type_after

StepFunction = Callable[[Picture, Any, Tools], StepOutcome]
_Contexts = dict[tuple[Step, ...], Context]

STEP_FUNCTIONS: Mapping[type[Step], StepFunction] = {
    Restore: restore,
    Upscale: upscale,
    Cutout: cutout,
    Frame: frame,
    Backdrop: backdrop,
}
"""What carries out each operation of the contract."""
PHOTO_STEPS = (Restore, Upscale)
"""Operations after which the picture still shows what the upload shows."""


def run_recipe(
    content: bytes,
    recipe: Recipe,
    *,
    engine: Engine,
    deadline: Deadline,
    masks: Mapping[str, bytes] = NO_MASKS,
    cache: StepCache | None = None,
    background: Background = HERE,
) -> list[EnhancedImage]:
    """Make every candidate of every role of a recipe out of one upload.

    Args:
        content: the uploaded file.
        recipe: what to make.
        engine: runs networks.
        deadline: asked between steps and between tiles.
        masks: the corrected masks that the recipe names, by digest.
        cache: remembers what recipes with scenes make before those.
        background: does what can be done beside; by default nothing is.

    Raises:
        SourceError: the file cannot be used, or would become too large.
        ProductNotFoundError: it shows no product that could be cut out; with the images that need
            none.
        RecipeError: a step or an output format that this worker does not know.
        PixelLockError: a step would have changed the product.
        CapacityError: not enough memory.
        DeadlineExceededError: the time is over.
    """
    deadline.check()
    _check_steps(recipe)
    source = open_source(content)
    for role in recipe.roles:
        check_output_size(*role.result_size(*source.size))
    tools = Tools(engine, deadline, masks, background)
    memory = UploadMemory(cache, content, engine) if cache and has_scenes(recipe) else None
    try:
        with one_blas_thread():
            return _RecipeRun(source, recipe, tools, memory).images()
    finally:
        background.settle()


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    """One image to make."""

    role: Role
    candidate: int

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.role.steps_of(self.candidate)

    @property
    def needs_product(self) -> bool:
        return any(isinstance(step, Cutout) for step in self.steps)


@dataclasses.dataclass(frozen=True, slots=True)
class _Pending:
    """One image that is being written."""

    wanted: _Wanted
    context: Context
    writing: Future[Written]


class _RecipeRun:
    """One upload on its way through all roles; those that begin alike share the work."""

    def __init__(
        self, source: OpenedSource, recipe: Recipe, tools: Tools, memory: UploadMemory | None
    ) -> None:
        self._wanted = [
            _Wanted(role, candidate)
            for role in recipe.roles
            for candidate in range(role.candidates)
        ]
        self._source, self._size = source, source.size
        self._tools, self._memory = tools, memory
        self._declared = source.declared_source_type
        self._done: _Contexts = {}
        # Apart: roles that enlarge further go on from what was not corrected yet.
        self._judgements: _Contexts = {}
        self._prepared: _Contexts = {}

    def images(self) -> list[EnhancedImage]:
        """Finish all in the recipe's order; each is written while the next one is made."""
        images, pending = list[EnhancedImage](), list[_Pending]()
        missing: ProductNotFoundError | None = None
        for position, wanted in enumerate(self._wanted, 1):
            if missing and wanted.needs_product:
                continue
            try:
                held = self._held(wanted.steps, self._made(wanted.steps))
            except ProductNotFoundError as err:
                missing = missing or err
                continue
            finally:
                # What is wrong with an earlier image is said first: alone, it would end the job.
                images += [self._collected(one) for one in pending]
                pending.clear()
            self._tools.deadline.check()
            if self._tools.background.overlaps and position < len(self._wanted):
                pending.append(self._begin(wanted, held))
            else:
                images.append(self._finish(wanted, held))
            del held  # its pixels would stay while the next image is made
            self._forget(self._wanted[position:])
        images += [self._collected(one) for one in pending]  # left where the last ones are skipped
        if missing:
            raise ProductNotFoundError(missing.public_message, images=images)
        return images

    @functools.cached_property
    def _original(self) -> Context:
        """The upload; nobody decodes it where everything is remembered."""
        started = time.perf_counter()
        picture, facts = decode(self._source, self._tools.engine.device_jpeg)
        report = StepReport("decode", time.perf_counter() - started, facts)
        return Context(_fill(picture), (report,))

    @functools.cached_property
    def _judge(self) -> Judge:
        return Judge(self._original.picture)

    def _begin(self, wanted: _Wanted, held: Context) -> _Pending:
        """Let an image be written in the background, and judge its text."""
        writing = self._tools.background.submit(self._write, wanted, held)
        return _Pending(wanted, self._compared(wanted.steps, held), writing)

    def _finish(self, wanted: _Wanted, held: Context) -> EnhancedImage:
        """Write an image here, and let its text be judged in the background.

        Looking for text holds Python's lock most of the time, and an encoder in the other thread
        would wait for it; an encoder here hardly ever holds it.
        """
        comparing = self._tools.background.submit(self._with_text, held)
        written = self._write(wanted, held)
        context = comparing.result()
        if not held.judged:
            self._judgements[wanted.steps] = context
        self._tools.deadline.check()
        return enhanced_image(wanted.role.name, wanted.candidate, context, written)

    def _write(self, wanted: _Wanted, held: Context) -> Written:
        source_type = source_type_after(
            self._declared, pixels_changed=held.pixels_changed, composed=held.composed
        )
        last = wanted.steps[-1] if wanted.steps else None
        return write(held, last, wanted.role.output, source_type, self._size)

    def _collected(self, pending: _Pending) -> EnhancedImage:
        written = pending.writing.result()
        self._tools.deadline.check()
        wanted = pending.wanted
        return enhanced_image(wanted.role.name, wanted.candidate, pending.context, written)

    def _made(self, steps: tuple[Step, ...]) -> Context:
        """Take all steps, but for those that an earlier image or job has taken."""
        if self._memory is None:
            return self._follow(steps)
        return self._follow(steps, self._prepare(self._memory, before_scene(steps)))

    def _prepare(self, memory: UploadMemory, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """Fill in what is made before scenes; return the steps, where it is found."""
        if steps not in self._prepared:
            self._prepared[steps] = self._remembered(memory, steps)
        return steps

    def _remembered(self, memory: UploadMemory, steps: tuple[Step, ...]) -> Context:
        if not steps:
            return self._judged(steps, self._follow(steps))
        key = memory.key(steps)
        known = memory.cache.get(key)
        if known is not None:
            return known.from_earlier_job()
        # With another mask, what was before the cut-out is known still.
        begun = before_cutout(steps)
        begun_at = self._prepare(memory, begun) if begun != steps else None
        context = self._judged(steps, self._follow(steps, begun_at))
        memory.cache.put(key, context)
        return context

    def _follow(self, steps: tuple[Step, ...], prepared: tuple[Step, ...] | None = None) -> Context:
        shared, context = self._start(steps, prepared)
        for count in range(shared + 1, len(steps) + 1):
            self._tools.deadline.check()
            step = steps[count - 1]
            if not isinstance(step, PHOTO_STEPS):
                context = self._judged(steps[: count - 1], context)
            context = _take_step(context, step, self._tools)
            self._done[steps[:count]] = context
        return context

    def _start(
        self, steps: tuple[Step, ...], prepared: tuple[Step, ...] | None
    ) -> tuple[int, Context]:
        """Return how many steps were taken already, and what they made."""
        shared = max((n for n in range(len(steps) + 1) if steps[:n] in self._done), default=0)
        if prepared is not None and shared <= len(prepared):
            return len(prepared), self._prepared[prepared]
        if () not in self._done:
            self._done[()] = self._original
        return shared, self._done[steps[:shared]]

    def _judged(self, steps: tuple[Step, ...], context: Context) -> Context:
        """Compare with the upload: once for all that end here or cut the product out of this."""
        return self._compared(steps, self._held(steps, context))

    def _held(self, steps: tuple[Step, ...], context: Context) -> Context:
        """Hold the colours to those of the upload; with that the pixels are final."""
        if context.judged:
            return context
        if steps in self._judgements:
            return self._judgements[steps]
        self._tools.deadline.check()
        return self._judge.hold_colours(context)

    def _compared(self, steps: tuple[Step, ...], held: Context) -> Context:
        if not held.judged:
            held = self._judgements[steps] = self._with_text(held)
        return held

    def _with_text(self, held: Context) -> Context:
        return held if held.judged else self._judge.compare_text(held)

    def _forget(self, later: Sequence[_Wanted]) -> None:
        """Keep only what later images begin with; for them that work costs no time."""
        begun = {wanted.steps[:n] for wanted in later for n in range(len(wanted.steps) + 1)}
        self._done = _kept(self._done, begun)
        self._judgements = _kept(self._judgements, begun)
        self._prepared = _kept(self._prepared, begun)


def _take_step(context: Context, step: Step, tools: Tools) -> Context:
    started = time.perf_counter()
    before = context.picture
    outcome = STEP_FUNCTIONS[type(step)](before, step, tools)
    after = outcome.picture
    changed = after is not before
    if changed and isinstance(step, PHOTO_STEPS):
        lock_white(before.pixels, after.pixels)
        if after.grey:
            keep_neutral(after.pixels)
    report = StepReport(step.name, time.perf_counter() - started, outcome.details)
    return Context(
        after,
        (*context.reports, report),
        {**context.weights, **outcome.weights},
        {**context.quality, **outcome.quality},
        pixels_changed=context.pixels_changed or changed,
        judged=context.judged,
        mask=context.mask if outcome.mask is None else outcome.mask,
        product=before if isinstance(step, Backdrop) else context.product,
        composed=outcome.composed or context.composed,
    )


def _kept(contexts: _Contexts, begun: Set[tuple[Step, ...]]) -> _Contexts:
    return {steps: contexts[steps].at_no_cost() for steps in contexts if steps in begun}


def _fill(picture: Picture) -> Picture:
    if picture.alpha is None:
        return picture
    return dataclasses.replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha))


def _check_steps(recipe: Recipe) -> None:
    for role in recipe.roles:
        for step in role.steps:
            if type(step) not in STEP_FUNCTIONS:
                raise RecipeError(f"This worker does not know the step {step.name!r}.")
