"""Contenders in processes of their own, run in turns, with the memory that each needs."""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

REST_SECONDS = 0.1
"""Pause after each turn: thread pools keep spinning for a while when their work is done."""

Run = Callable[[], Any]
"""Does the work once; what it returns is kept of the first run only."""


@dataclass(frozen=True)
class Contender:
    """One way to do a piece of work."""

    label: str
    """Its name in the tables."""
    prepare: Callable[..., Run]
    """Loads what it needs, in the contender's own process; importable by its name."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Given to `prepare`."""


@dataclass
class Outcome:
    """What one contender did."""

    seconds: list[float] = field(default_factory=list)
    """Of every turn but the first, which only warms up."""
    first_seconds: float = 0.0
    """Of the first turn, with whatever is prepared late."""
    idle_bytes: int = 0
    """Resident memory of the process before the first turn, everything loaded."""
    peak_bytes: int = 0
    """Highest resident memory during the turns."""
    result: Any = None
    """What the first turn returned."""
    failure: str = ""
    """Why there is no result; empty where there is one."""

    @property
    def median_seconds(self) -> float:
        """Median over the turns."""
        return statistics.median(self.seconds or [self.first_seconds])

    def figures(self) -> dict[str, Any]:
        """Everything but the result, for a JSON file."""
        if self.failure:
            return {"failure": self.failure}
        laps = self.seconds or [self.first_seconds]
        return {
            "median_seconds": self.median_seconds,
            "fastest_seconds": min(laps),
            "slowest_seconds": max(laps),
            "turns": len(laps),
            "first_seconds": self.first_seconds,
            "idle_megabytes": self.idle_bytes / 1e6,
            "peak_over_idle_megabytes": (self.peak_bytes - self.idle_bytes) / 1e6,
        }


def compete(contenders: Sequence[Contender], rounds: int) -> dict[str, Outcome]:
    """Let contenders take turns: a busy machine then slows all of them alike.

    Args:
        contenders: with labels that differ.
        rounds: turns of each after the one that warms it up; with 0 the first turn counts.

    Returns:
        Outcomes by label, in order. A contender that fails has a failure and does not stop
        the others.
    """
    outcomes = {contender.label: Outcome() for contender in contenders}
    with ExitStack() as stack:
        processes: dict[str, Connection] = {}
        for contender in contenders:
            _say(f"  {contender.label}: loading")
            connection = stack.enter_context(_process(contender))
            outcome = outcomes[contender.label]
            answer = _ask(connection, "load", outcome)
            if answer is not None:
                outcome.idle_bytes = answer
                processes[contender.label] = connection
        for turn in range(rounds + 1):
            for label, connection in list(processes.items()):
                if not _take_turn(connection, outcomes[label], is_first=turn == 0):
                    del processes[label]
                    continue
                time.sleep(REST_SECONDS)
            if rounds:
                _say(f"  round {turn} of {rounds} done")
        for label, connection in processes.items():
            outcomes[label].peak_bytes = _ask(connection, "peak", outcomes[label]) or 0
    return outcomes


def _take_turn(connection: Connection, outcome: Outcome, *, is_first: bool) -> bool:
    answer = _ask(connection, "first" if is_first else "turn", outcome)
    if answer is None:
        _say(f"  failed: {outcome.failure}")
        return False
    seconds, result = answer
    if is_first:
        outcome.first_seconds, outcome.result = seconds, result
    else:
        outcome.seconds.append(seconds)
    return True


def _ask(connection: Connection, question: str, outcome: Outcome) -> Any:
    """Return the answer, or None with the failure noted."""
    try:
        connection.send(question)
        answer, failure = connection.recv()
    except (EOFError, OSError):
        answer, failure = None, "the process died, probably for want of memory"
    if failure:
        outcome.failure = failure
        return None
    return answer


@contextmanager
def _process(contender: Contender) -> Iterator[Connection]:
    """Run a contender's process while the block runs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, contender), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.send("end")
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
        ours.close()


def _serve(connection: Connection, contender: Contender) -> None:
    """Answer the questions of `compete`; the child's side of the pipe."""
    run: Run = _nothing_loaded
    while (question := connection.recv()) != "end":
        try:
            if question == "load":
                run = contender.prepare(**contender.arguments)
                gc.collect()
                answer: Any = resident_bytes()
                _forget_peak()
            elif question == "peak":
                answer = peak_bytes()
            else:
                answer = _timed(run, keep=question == "first")
        except Exception as err:  # noqa: BLE001 - whatever a foreign engine raises
            traceback.print_exc()
            words = (str(err).splitlines() or [""])[0]
            connection.send((None, f"{type(err).__name__}: {words}"))
        else:
            connection.send((answer, ""))


def _nothing_loaded() -> None:
    raise RuntimeError("asked to run before it has loaded")


def _timed(run: Run, *, keep: bool) -> tuple[float, Any]:
    started = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - started
    return seconds, result if keep else None


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return _status_kilobytes("VmRSS") * 1024


def peak_bytes() -> int:
    """The most that this process has held since `_forget_peak`."""
    return _status_kilobytes("VmHWM") * 1024


def _status_kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def _forget_peak() -> None:
    """Start the peak anew; where the system forbids it, the peak of loading counts too."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
