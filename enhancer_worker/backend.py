"""The enhancer that a shop's settings name: networks on this machine's GPU or CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.errors import working
from enhancer_worker.pipeline.background import HERE, Background
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.step_cache import StepCache
from shopimg.contract import (
    NO_MASKS,
    CapacityError,
    Deadline,
    EnhancedImage,
    Forecast,
    JobCost,
    Recipe,
)


class NeuralEnhancer:
    """Implements ``shopimg.contract.Enhancer`` and ``Forecaster``.

    Networks are loaded by the first job that needs them. One job runs at a time: a second thread
    waits.
    """

    def __init__(self, config: WorkerConfig | None = None) -> None:
        """Remember the settings; nothing is loaded yet.

        Args:
            config: from the environment by default.
        """
        self._config = config
        self._engine: Engine | None = None
        self._cache: StepCache | None = None
        self._background = HERE
        self._lock = threading.Lock()

    def enhance(
        self,
        source: bytes,
        recipe: Recipe,
        *,
        deadline: Deadline,
        masks: Mapping[str, bytes] = NO_MASKS,
    ) -> Sequence[EnhancedImage]:
        """See ``shopimg.contract.Enhancer``."""
        with self._turn(deadline), working():
            engine = self._loaded()
            return run_recipe(
                source,
                recipe,
                engine=engine,
                deadline=deadline,
                masks=masks,
                cache=self._cache,
                background=self._background,
            )

    def forecast(self, sizes: Sequence[tuple[int, int]], recipe: Recipe) -> Forecast:
        """See ``shopimg.contract.Forecaster``."""
        # Only a worker that is asked pays for what measures.
        from enhancer_worker.pipeline.planning import Planner  # noqa: PLC0415

        with self._lock, working():
            engine = self._loaded()
            planner = Planner(recipe, engine)
            jobs = [planner.predict(size) for size in sizes]
            costs = [JobCost(job.seconds, job.warm_up_seconds, job.peak_bytes) for job in jobs]
            return Forecast(costs, engine.jobs_at_once)

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for the job of another thread.

        Raises:
            CapacityError: it took half the time of this one, whose picture is not to blame.
        """
        patience = min(max(0.0, deadline.remaining_seconds() / 2), threading.TIMEOUT_MAX)
        if not self._lock.acquire(timeout=patience):
            raise CapacityError(detail="another job of this process took too much of the time")
        try:
            yield
        finally:
            self._lock.release()

    def _loaded(self) -> Engine:
        if self._engine is None:
            config = self._config or WorkerConfig.from_environment()
            self._engine = Engine(config)
            limit = config.step_cache_megabytes * 1_000_000
            self._cache = StepCache(config.cache_dir / "steps", limit)
            self._background = Background(overlap=config.overlap)
        return self._engine

    def close(self) -> None:
        """Give the networks' memory back; the next job loads them again."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._background.close()
            self._engine, self._cache, self._background = None, None, HERE
