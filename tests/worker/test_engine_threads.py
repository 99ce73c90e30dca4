"""Threads of NumPy's matrix products do not run beside a network."""

from __future__ import annotations

from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.threads import one_blas_thread
from enhancer_worker.pipeline import run as run_module
from shopimg.contract import Restore
from tests.worker.recipe_runs import photo, png, run_one


def blas_threads() -> set[int]:
    found = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert found
    return found


def test_jobs__multiply_matrices_in_one_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    during = set[int]()

    def look(picture: Any, step: Restore, tools: Any) -> Any:
        during.update(blas_threads())
        return step_of_restore(picture, step, tools)

    step_of_restore = run_module.STEP_FUNCTIONS[Restore]
    steps = {**run_module.STEP_FUNCTIONS, Restore: look}
    monkeypatch.setattr(run_module, "STEP_FUNCTIONS", steps)
    with threadpool_limits(2, user_api="blas"):
        run_one(engine, png(photo()), Restore())
        assert during == {1}
        # The process may belong to somebody who computes other things in it.
        assert blas_threads() == {2}


def test_one_blas_thread__ends_with_the_last_job_of_the_process() -> None:
    """Jobs of several threads may end in any order."""
    first, second = one_blas_thread(), one_blas_thread()
    with threadpool_limits(2, user_api="blas"):
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == {2}
