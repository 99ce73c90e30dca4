"""Threads of NumPy's matrix products do not run beside a network."""

from __future__ import annotations

from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from enhancer_worker import backend
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.engine.engine import Engine
from shopimg.contract import CLEAN
from tests.worker.recipe_runs import NO_LIMIT


def blas_threads() -> list[int]:
    found = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert found
    return found


def test_jobs__multiply_matrices_in_one_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    during: list[int] = []

    def look(*_arguments: Any, **_options: Any) -> list[Any]:
        during.extend(blas_threads())
        return []

    monkeypatch.setattr(backend, "run_recipe", look)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        NeuralEnhancer(engine.config).enhance(b"", CLEAN, deadline=NO_LIMIT)
        assert set(during) == {1}
        # The process may belong to somebody who computes other things in it.
        assert blas_threads() == before
