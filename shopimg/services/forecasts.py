"""What a bulk run would cost, as a worker predicts it: asked and answered through a row."""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import islice

from django.db import models
from django.utils import timezone

from shopimg import inspection, recipes, sources, wakeup
from shopimg.conf import settings
from shopimg.contract import (
    EnhancementError,
    Forecast,
    Forecaster,
    JobCost,
    Recipe,
    WorkerError,
)
from shopimg.enhancers import get_enhancer
from shopimg.models import CostQuestion, WorkerHeartbeat
from shopimg.services import bulk
from shopimg.services.pictures import sizes_of_originals

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 180.0
"""How long a worker may take: the first time it measures its machine, which takes a minute."""
POLL_SECONDS = 0.5
MOST_LOOKED_AT = 100
"""Images of each model whose size is found out; the others are taken to be like them."""
_KEPT_HOURS = 1

Size = tuple[int, int]


class NoForecastError(Exception):
    """No worker can tell what a run would cost; the message says why."""


@dataclass(frozen=True, slots=True)
class RunForecast:
    """What a run is expected to cost."""

    seconds: float
    """Worker time of all jobs together."""
    wall_seconds: float
    """From the first job to the last, on the workers that serve the bulk queue."""
    processes: int
    """How many jobs these run side by side at full speed; 1 where there are none."""
    peak_bytes: float
    """Memory of the job that needs most, beyond that of an idle worker."""
    largest: Size
    """Width and height of that job's upload, pixels."""
    looked_at: int
    """Images whose size is known; the others are taken to be like them."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Jobs of one recipe that a run would queue."""

    jobs: int
    """How many."""
    sizes: Counter[Size]
    """Sizes of some of them."""


def forecast(
    selection: bulk.Selection, *, sleep: Callable[[float], None] = time.sleep
) -> RunForecast | None:
    """Ask a worker what a run would cost.

    Returns:
        None where the run would queue nothing.

    Raises:
        NoForecastError: no worker answers, or none can tell.
        RecipeError: a recipe is unknown.
    """
    work = {name: _merged(parts) for name, parts in _parts(selection).items()}
    if not any(part.sizes for part in work.values()):
        if any(part.jobs for part in work.values()):
            raise NoForecastError("no upload could be read to learn its size")
        return None
    answers = {
        name: _ask(recipes.get_recipe(name), list(part.sizes), sleep)
        for name, part in work.items()
        if part.sizes
    }
    return _added_up(work, answers)


def answer(question_id: uuid.UUID | str) -> None:
    """Answer a question that somebody waits for; called by workers."""
    question = CostQuestion.objects.filter(pk=question_id, answer__isnull=True, problem="").first()
    if question is None:
        return
    row = CostQuestion.objects.filter(pk=question.pk)
    try:
        found = _predicted(question)
    except EnhancementError as err:
        row.update(problem=err.detail or err.public_message)
    except Exception as err:
        # Whatever a third-party enhancer raises is told to who waits, instead of nothing.
        logger.exception("cost question %s", question_id)
        row.update(problem=f"{type(err).__name__}: {err}".replace("\0", ""))
    else:
        row.update(answer=asdict(found))


def _predicted(question: CostQuestion) -> Forecast:
    enhancer = get_enhancer()
    if not isinstance(enhancer, Forecaster):
        raise WorkerError(detail=f"{settings.ENHANCER} does not predict what jobs cost")
    recipe = Recipe.parse(question.recipe, question.recipe_table)
    return enhancer.forecast([(width, height) for width, height in question.sizes], recipe)


def _ask(recipe: Recipe, sizes: list[Size], sleep: Callable[[float], None]) -> Forecast:
    old = timezone.now() - timedelta(hours=_KEPT_HOURS)
    CostQuestion.objects.filter(created_at__lt=old).delete()
    queue = _queue()
    question = CostQuestion.objects.create(
        recipe=recipe.name, recipe_table=recipe.to_table(), sizes=sizes
    )
    try:
        if not wakeup.send_cost_question(question.pk, queue, expires=PATIENCE_SECONDS):
            raise NoForecastError("the broker does not answer")
        return _awaited(question, sleep)
    finally:
        CostQuestion.objects.filter(pk=question.pk).delete()


def _queue() -> str:
    """Choose whom to ask: who would do the work, or who answers sooner."""
    served = {name for worker in WorkerHeartbeat.objects.alive() for name in _queues(worker)}
    if settings.BULK_QUEUE in served and not wakeup.waiting(settings.BULK_QUEUE):
        return settings.BULK_QUEUE
    for queue in (settings.QUEUE, settings.BULK_QUEUE):
        if queue in served:
            return queue
    raise NoForecastError("no worker for jobs is running")


def _awaited(question: CostQuestion, sleep: Callable[[float], None]) -> Forecast:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        sleep(POLL_SECONDS)
        question.refresh_from_db()
        if question.problem:
            raise NoForecastError(question.problem)
        if question.answer is not None:
            costs = [JobCost(**cost) for cost in question.answer["costs"]]
            return Forecast(costs, question.answer["jobs_at_once"])
    raise NoForecastError(f"no worker has answered within {PATIENCE_SECONDS:.0f} seconds")


def _added_up(work: Mapping[str, _Work], answers: Mapping[str, Forecast]) -> RunForecast:
    seconds, needs = 0.0, list[tuple[float, Size]]()
    for name, found in answers.items():
        part = work[name]
        known = part.sizes.total()
        rows = list(zip(part.sizes.items(), found.costs, strict=True))
        # Pictures of one size share what the first of them has warmed up.
        of_known = sum(n * cost.seconds + cost.warm_up_seconds for (_, n), cost in rows)
        seconds += of_known / known * part.jobs
        needs += [(cost.peak_bytes, size) for (size, _), cost in rows]
    processes = _processes(min(found.jobs_at_once for found in answers.values()))
    peak_bytes, largest = max(needs)
    looked_at = sum(part.sizes.total() for part in work.values())
    return RunForecast(seconds, seconds / processes, processes, peak_bytes, largest, looked_at)


def _processes(jobs_at_once: int) -> int:
    """Count what works on the bulk queue; processes beyond a machine's cores do not count."""
    by_host = defaultdict[str, int](int)
    for worker in WorkerHeartbeat.objects.alive():
        if settings.BULK_QUEUE in _queues(worker):
            by_host[worker.name.rpartition("@")[2]] += worker.processes
    return max(1, sum(min(number, jobs_at_once) for number in by_host.values()))


def _queues(worker: WorkerHeartbeat) -> list[str]:
    return worker.queues.split(",")


def _parts(selection: bulk.Selection) -> Mapping[str, list[_Work]]:
    """Find out how many jobs a run would queue, by recipe, and the sizes of some uploads."""
    parts = defaultdict[str, list[_Work]](list)
    for source, rows in bulk.to_queue(selection):
        name = selection.recipe or source.recipe
        number = rows.count()
        step = max(1, math.ceil(number / MOST_LOOKED_AT))
        keys = list(islice(rows.order_by("pk").values_list("pk", flat=True), 0, None, step))
        sizes = Counter(_sizes(source, list(rows.model._default_manager.filter(pk__in=keys))))
        parts[name].append(_Work(number, sizes))
    return parts


def _merged(parts: list[_Work]) -> _Work:
    sizes = sum((part.sizes for part in parts), Counter[Size]())
    return _Work(sum(part.jobs for part in parts), sizes)


def _sizes(source: sources.Source, images: Sequence[models.Model]) -> Iterator[Size]:
    """Yield sizes of uploads, of those that can be read: from earlier jobs, else from the file."""
    known = sizes_of_originals(images)
    yield from known.values()
    for image in images:
        if id(image) in known:
            continue
        try:
            name = source.file_of(image).name or ""
            found = inspection.inspect(sources.read_bytes(source, image), name)
        except EnhancementError:
            continue  # the run would refuse it, too
        yield found.width, found.height
