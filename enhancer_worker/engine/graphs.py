"""Records what a GPU does for a shape of batches once, and replays it: one launch for all layers.

CUDA graphs, and not ``torch.compile``: that needs a C compiler and Triton in every worker, takes
tens of seconds for each shape, and its ``reduce-overhead`` mode records the same graphs in the end.
Our networks are plain convolutions, which cuDNN has fast kernels for already.
"""

from __future__ import annotations

import fcntl
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from enhancer_worker.engine.staging import Program
from enhancer_worker.errors import is_out_of_memory

Record = Callable[[Program, Tensor], Program]
"""Turns a program into one that gives the same for batches of the example's shape."""

_LARGEST_CACHE = 8
_LEAST_USES = 2
_TIMES_AS_OFTEN = 2
_AGEING_BATCHES = 256

logger = logging.getLogger(__name__)


class RecordingError(Exception):
    """A graph must not be recorded, or does not give what the program gives."""


class GraphCache:
    """Runs a program as it is for the first two batches of a shape, and from a graph after that.

    The first run is the warm-up that a recording needs, and a picture whose shape never comes back
    costs nothing more. A recording stops the device for a moment, so there are no more graphs than
    a few, and none gives way before another shape has been used clearly more often of late: a
    catalogue of more shapes than that keeps what it has. Whatever goes wrong with a recording, the
    program's own result is given, and it alone runs from then on; where memory was short, only this
    shape waits for a while.
    """

    def __init__(self, program: Program, record: Record, note: RecordingNote) -> None:
        """Record nothing yet.

        Args:
            program: gives the same for the same batch.
            record: makes a graph.
            note: keeps a recording that ends the process from being tried again.
        """
        self._program, self._note = program, note
        self._record: Record | None = record
        self._graphs: dict[tuple[int, ...], Program] = {}
        self._uses: Counter[tuple[int, ...]] = Counter()
        self._batches = 0

    def __call__(self, batch: Tensor) -> Tensor:
        """Run; the result is valid until the next call."""
        shape = tuple(batch.shape)
        self._count(shape)
        if shape in self._graphs:
            return self._graphs[shape](batch)
        result = self._program(batch)
        if self._record is not None and self._is_worth_it(shape):
            self._try_to_record(self._record, batch, result)
        return result

    def clear(self) -> None:
        """Give the memory of all graphs back."""
        self._graphs.clear()

    def _count(self, shape: tuple[int, ...]) -> None:
        self._uses[shape] += 1
        self._batches += 1
        if self._batches % _AGEING_BATCHES == 0:
            # What was used long ago counts for less, and what was used once is forgotten.
            self._uses = Counter({seen: uses // 2 for seen, uses in self._uses.items() if uses > 1})

    def _is_worth_it(self, shape: tuple[int, ...]) -> bool:
        uses = self._uses[shape]
        if uses < _LEAST_USES or len(self._graphs) < _LARGEST_CACHE:
            return uses >= _LEAST_USES
        return uses > _TIMES_AS_OFTEN * self._uses[self._rarest()]

    def _rarest(self) -> tuple[int, ...]:
        return min(self._graphs, key=self._uses.__getitem__)

    def _try_to_record(self, record: Record, batch: Tensor, expected: Tensor) -> None:
        try:
            with self._note.kept():
                graph = record(self._program, batch)
                _compare(graph(batch), expected)
        except Exception as err:  # noqa: BLE001 - none of them may cost a job: it runs without
            if is_out_of_memory(err):
                # It needs about as much again as the run itself; others may let go of memory.
                self._uses[tuple(batch.shape)] = -_AGEING_BATCHES
                return
            reason = f"{type(err).__name__}: {err}"[:300]
        else:
            # Comparing has waited for the device: no graph is running.
            if len(self._graphs) >= _LARGEST_CACHE:
                del self._graphs[self._rarest()]
            self._graphs[tuple(batch.shape)] = graph
            return
        self._record = None
        self._graphs.clear()
        logger.warning("No CUDA graph for %s, it runs without: %s", tuple(batch.shape), reason)


def _compare(found: Tensor, expected: Tensor) -> None:
    # Another algorithm of the same accuracy may round a half level the other way.
    if (found.to(torch.int16) - expected.to(torch.int16)).abs().max() > 1:
        raise RecordingError("its result differs from the network's own")


class RecordingNote:
    """A file that says that a recording has begun, until it has succeeded.

    A recording that breaks CUDA for the process, or ends it, would do so at each of a job's
    attempts. The note survives, so the next process runs without graphs.
    """

    def __init__(self, path: Path) -> None:
        """Write nothing yet.

        Args:
            path: of a file for this network, device and versions; its folder is made if missing.
        """
        self._path = path

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the note while the body runs, and after it has failed for lack of anything else.

        Other processes that record the same wait for this one.

        Raises:
            RecordingError: an earlier recording has failed.
            OSError: no note can be kept.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+") as file:
            # Free again as soon as a process ends, in whichever way.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if file.read():
                raise RecordingError(f"an earlier one failed; remove {self._path} to try again")
            file.write("A CUDA graph is being recorded, or could not be.\n")
            file.flush()
            try:
                yield
            except Exception as err:
                if is_out_of_memory(err):
                    file.truncate(0)
                raise
            file.truncate(0)


class CudaRecorder:
    """Records CUDA graphs that share one pool of memory, as one runs at a time."""

    def __init__(self) -> None:
        """Take no memory yet."""
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, program: Program, batch: Tensor) -> Program:
        """Record on the current stream, which must not be the default one.

        Args:
            program: has run for a batch of this shape before.
            batch: an example on the device.
        """
        place = batch.clone()
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream(batch.device)
        # Other threads of a worker do not touch CUDA, and those that would must not spoil this.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"
        ):
            result = program(place)

        def replay(tiles: Tensor) -> Tensor:
            place.copy_(tiles)
            graph.replay()
            return result

        return replay
