"""What passes between a shop and an enhancer while one job runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from shopimg.contract.errors import DeadlineExceededError
from shopimg.contract.recipe import Recipe

NO_MASKS: Mapping[str, bytes] = MappingProxyType({})
"""Nobody has corrected anything."""


class Deadline:
    """The moment by which a job must be done; asked between steps and between tiles."""

    def __init__(
        self,
        seconds: float,
        *,
        checks: Sequence[Callable[[], None]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        Args:
            seconds: time allowed from now; ``math.inf`` for no limit.
            checks: called by every ``check()``; raise to stop the work (a lost lease does).
            clock: monotonic seconds.
        """
        self._clock = clock
        self._end = clock() + seconds
        self._checks = tuple(checks)

    def remaining_seconds(self) -> float:
        """Seconds left; negative once passed."""
        return self._end - self._clock()

    def check(self) -> None:
        """Do nothing while there is time.

        Raises:
            DeadlineExceededError: the time is over.
        """
        if self.remaining_seconds() < 0:
            raise DeadlineExceededError
        for check in self._checks:
            check()


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did to one image."""

    name: str
    """Name of the step, or ``decode`` / ``encode``."""
    seconds: float
    """Wall-clock time; 0.0 where another role of the same job had done the work. Steps may
    overlap: together they can take longer than the job."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-serialisable facts: options applied, network, tile size, device."""


@dataclass(frozen=True, slots=True)
class EnhancedImage:
    """One encoded result."""

    role: str
    """Which role of the recipe this is."""
    content: bytes
    """The encoded file."""
    mime_type: str
    """One of the values of ``MIME_TYPES``."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    steps: tuple[StepReport, ...]
    """What ran, in order."""
    digital_source_type: str
    """IPTC NewsCode URI that says what really happened to the pixels."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Weight name -> sha256 of every network that ran."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """Measured figures of the result, by name."""
    candidate: int = 0
    """Which of the role's candidates this is, from 0."""
    mask: bytes = b""
    """What was taken for the product, white on black: a PNG of one channel, as large as the upright
    upload; empty without a cut-out."""


@runtime_checkable
class Enhancer(Protocol):
    """Turns one uploaded file into the outputs of a recipe. Named by ``SHOPIMG["ENHANCER"]``."""

    def enhance(
        self,
        source: bytes,
        recipe: Recipe,
        *,
        deadline: Deadline,
        masks: Mapping[str, bytes] = NO_MASKS,
    ) -> Sequence[EnhancedImage]:
        """Return one image per candidate of each role, in the recipe's order.

        Args:
            source: the uploaded file as it is in the storage.
            recipe: what to make.
            deadline: asked between steps and between tiles.
            masks: the corrected masks that the recipe names, by digest: pictures of the upload's
                shape in which the product is white. An enhancer is given the argument only where
                there are any.

        Raises:
            SourceError: the file cannot be used.
            ProductNotFoundError: it shows no product that could be cut out; the error may hold the
                images that need none.
            RecipeError: the recipe names something that this enhancer cannot do.
            PixelLockError: a step would have changed the product.
            CapacityError: not enough memory now; try again later.
            DeadlineExceededError: the time is over.
            WorkerError: anything else that failed in the worker.
        """
        ...


@dataclass(frozen=True, slots=True)
class JobCost:
    """What a job is expected to cost on one machine."""

    seconds: float
    """From file to file, in a worker that is warm."""
    warm_up_seconds: float
    """Time on top for the first job of a size."""
    peak_bytes: float
    """Memory beyond that of the idle worker."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What jobs are expected to cost on the machine that was asked."""

    costs: Sequence[JobCost]
    """One for each size that was asked for, in that order."""
    jobs_at_once: int
    """How many jobs the machine runs side by side at this speed, each in a process of its own."""


@runtime_checkable
class Forecaster(Protocol):
    """What an enhancer may have besides: it knows what jobs would cost before they run."""

    def forecast(self, sizes: Sequence[tuple[int, int]], recipe: Recipe) -> Forecast:
        """Predict jobs; the machine is measured first where that was not done before.

        Args:
            sizes: width and height of uploads, upright, pixels.
            recipe: what would run.

        Raises:
            RecipeError: the recipe names something whose cost is not known.
            WorkerError: anything else that failed in the worker.
        """
        ...
