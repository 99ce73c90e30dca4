"""What goes wrong by a user's mistake: told in one line, without a traceback."""

import sys
from collections.abc import Callable

from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.benchmarks import UnknownBenchmarkError
from enhancer_worker.training.catalogue import TooFewPhotosError
from enhancer_worker.training.data import NoTrainingImagesError, UnreadablePictureError
from shopimg.contract import WorkerError


class DivergedError(RuntimeError):
    """The gradient was not finite for many steps in a row."""


MISTAKES = (
    TrainingArgsError,
    NoTrainingImagesError,
    TooFewPhotosError,
    UnknownBenchmarkError,
    UnreadablePictureError,
    DivergedError,
)
"""What is raised for mistakes of a user's, beside `WorkerError`."""


def told(work: Callable[[], int]) -> int:
    """Do it and return its exit status: 2 after a mistake, which is told on standard error."""
    try:
        return work()
    except MISTAKES as err:
        sys.stderr.write(f"{err}\n")
    except WorkerError as err:
        sys.stderr.write(f"{err.detail}\n")
    return 2
