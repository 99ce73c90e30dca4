"""The enhancer as workers hold it: one job at a time, also in a pool of threads."""

from __future__ import annotations

import pytest

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from shopimg.contract import CLEAN, CapacityError, Deadline


def test_enhance__job_that_waits_too_long_for_another_one_goes_back() -> None:
    """Its picture is not to blame: it must not count as one that takes too long."""
    enhancer = NeuralEnhancer(WorkerConfig(device="cpu"))
    with enhancer._lock, pytest.raises(CapacityError, match="took too much of the time"):
        enhancer.enhance(b"", CLEAN, deadline=Deadline(0.1))
