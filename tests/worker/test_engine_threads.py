"""Threads of NumPy's matrix products do not run beside a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.threads import one_blas_thread
from enhancer_worker.pipeline import run as run_module
from shopimg.contract import Restore
from tests.worker.recipe_runs import photo, png, run_one

ROOT = Path(__file__).resolve().parents[2]


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


def test_one_blas_thread__finds_libraries_that_came_later() -> None:
    """SciPy's own is loaded by the first step that solves something."""
    script = """
from enhancer_worker.engine.threads import one_blas_thread
with one_blas_thread():
    pass
import numpy, scipy.linalg
from threadpoolctl import threadpool_info
with one_blas_thread():
    print(*(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"))
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]
