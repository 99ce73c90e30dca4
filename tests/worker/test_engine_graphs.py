"""Recorded graphs: when they are made, and that no failure of one costs a result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from enhancer_worker.engine.graphs import CudaRecorder, GraphCache, RecordingNote
from enhancer_worker.engine.staging import Program
from enhancer_worker.engine.torch_session import TorchSession
from tests.worker.tiny_nets import upscaler

ROOT = Path(__file__).resolve().parents[2]


class Counted:
    """A program that knows how often it ran."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, batch: Tensor) -> Tensor:
        self.runs += 1
        return batch + 1


def record(program: Program, batch: Tensor) -> Program:
    """Like a CUDA graph on the CPU: one place for what goes in, one for what comes out."""
    place, result = batch.clone(), program(batch)
    rate = result - batch

    def replay(tiles: Tensor) -> Tensor:
        place.copy_(tiles)
        torch.add(place, rate, out=result)
        return result

    return replay


def break_down(program: Program, batch: Tensor) -> Program:
    raise RuntimeError("operation not permitted when stream is capturing")


def run_out(program: Program, batch: Tensor) -> Program:
    raise torch.OutOfMemoryError("CUDA out of memory")


def record_wrongly(program: Program, batch: Tensor) -> Program:
    return lambda tiles: program(tiles) + 2


def batch_of(side: int, level: int = 0) -> Tensor:
    return torch.full((1, side, side, 3), level, dtype=torch.uint8)


def test_graph_cache__records_the_second_batch_of_a_shape_and_replays_the_third(
    tmp_path: Path,
) -> None:
    program = Counted()
    cache = GraphCache(program, record, RecordingNote(tmp_path / "new" / "note"))
    runs = []
    for level in range(4):
        assert torch.equal(cache(batch_of(2, level)), batch_of(2, level + 1))
        runs.append(program.runs)
    assert runs == [1, 3, 3, 3]
    assert (tmp_path / "new" / "note").read_text() == ""


def test_graph_cache__keeps_few_graphs_in_a_rotation_of_more_shapes(tmp_path: Path) -> None:
    program, recorded = Counted(), list[int]()

    def record_and_note(program: Program, batch: Tensor) -> Program:
        recorded.append(batch.shape[1])
        return record(program, batch)

    cache = GraphCache(program, record_and_note, RecordingNote(tmp_path / "note"))
    for _ in range(100):
        for side in range(1, 11):
            assert torch.equal(cache(batch_of(side)), batch_of(side, 1))
    assert recorded == [1, 2, 3, 4, 5, 6, 7, 8]
    # Twice before and once for each recording; what has none runs each time.
    assert program.runs == 8 * 3 + 2 * 100
    cache.clear()
    assert torch.equal(cache(batch_of(3)), batch_of(3, 1))


def test_graph_cache__gives_a_place_to_what_is_used_clearly_more_often(tmp_path: Path) -> None:
    program = Counted()
    cache = GraphCache(program, record, RecordingNote(tmp_path / "note"))
    for side in range(1, 9):
        for _ in range(3 if side == 4 else 5):
            cache(batch_of(side))
    for _ in range(7):
        assert torch.equal(cache(batch_of(20)), batch_of(20, 1))
    assert sorted(shape[1] for shape in cache._graphs) == [1, 2, 3, 5, 6, 7, 8, 20]
    before = program.runs
    cache(batch_of(20))
    assert program.runs == before


def test_graph_cache__records_nothing_for_shapes_that_come_once(tmp_path: Path) -> None:
    cache = GraphCache(Counted(), record, RecordingNote(tmp_path / "note"))
    for side in range(1, 9):
        cache(batch_of(side))
        cache(batch_of(side))
    for _ in range(2000):  # what is not used in the meantime is forgotten, but keeps its graph
        cache(batch_of(1))
    for side in range(20, 40):
        cache(batch_of(side))
    assert {shape[1] for shape in cache._graphs} == set(range(1, 9))


def test_graph_cache__follows_a_catalogue_of_other_shapes(tmp_path: Path) -> None:
    cache = GraphCache(Counted(), record, RecordingNote(tmp_path / "note"))
    for _ in range(300):
        for side in range(1, 9):
            cache(batch_of(side))
    for _ in range(300):
        for side in range(11, 14):
            cache(batch_of(side))
    assert {11, 12, 13} <= {shape[1] for shape in cache._graphs}
    assert len(cache._graphs) == 8


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (break_down, "RuntimeError: operation not permitted when stream is capturing"),
        (record_wrongly, "its result differs from the network's own"),
    ],
)
def test_graph_cache__gives_the_programs_result_whatever_fails(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fail: Callable[[Program, Tensor], Program],
    reason: str,
) -> None:
    note = tmp_path / "note"
    cache = GraphCache(Counted(), fail, RecordingNote(note))
    for level in range(5):
        assert torch.equal(cache(batch_of(2, level)), batch_of(2, level + 1))
    assert len(caplog.messages) == 1
    assert "No CUDA graph for (1, 2, 2, 3), it runs without" in caplog.messages[0]
    assert reason in caplog.messages[0]
    assert note.read_text() != ""


def test_graph_cache__tries_a_shape_again_for_which_memory_was_short(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short = [True]

    def record_or_run_out(program: Program, batch: Tensor) -> Program:
        return (run_out if short[0] and batch.shape[1] == 2 else record)(program, batch)

    note = tmp_path / "note"
    cache = GraphCache(Counted(), record_or_run_out, RecordingNote(note))
    for _ in range(5):
        for side in (2, 3):
            assert torch.equal(cache(batch_of(side, 7)), batch_of(side, 8))
    assert {shape[1] for shape in cache._graphs} == {3}
    assert (caplog.messages, note.read_text()) == ([], "")
    short[0] = False
    for _ in range(3):
        cache(batch_of(2))
    assert {shape[1] for shape in cache._graphs} == {3}  # not at once: others hold the memory
    for _ in range(256):
        cache(batch_of(2))
    assert {shape[1] for shape in cache._graphs} == {2, 3}


def test_graph_cache__does_not_record_where_no_note_can_be_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    program = Counted()
    cache = GraphCache(program, record, RecordingNote(blocked / "note"))
    for level in range(3):
        assert torch.equal(cache(batch_of(2, level)), batch_of(2, level + 1))
    assert program.runs == 3
    assert len(caplog.messages) == 1


def test_recording__that_ends_the_process_is_the_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note = tmp_path / "note"
    code = (
        "import os, sys, torch\n"
        "from pathlib import Path\n"
        "from enhancer_worker.engine.graphs import GraphCache, RecordingNote\n"
        "note = RecordingNote(Path(sys.argv[1]))\n"
        "cache = GraphCache(lambda batch: batch, lambda program, batch: os._exit(9), note)\n"
        "for _ in range(2):\n"
        "    cache(torch.zeros(1, 2, 2, 3))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(note)], cwd=ROOT, check=False)
    assert done.returncode == 9
    program = Counted()
    cache = GraphCache(program, record, RecordingNote(note))
    for level in range(3):
        assert torch.equal(cache(batch_of(2, level)), batch_of(2, level + 1))
    assert program.runs == 3
    assert f"an earlier one failed; remove {note} to try again" in caplog.text
    note.unlink()
    fresh = GraphCache(program, record, RecordingNote(note))
    for _ in range(3):
        fresh(batch_of(2))
    assert program.runs == 6


def test_torch_session__runs_levels_from_graphs_and_drops_them_when_memory_is_short(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def rerun(program: Program, batch: Tensor) -> Program:
        """Writes every result over the last one, as a graph does."""
        result = program(batch).clone()
        return lambda tiles: result.copy_(program(tiles))

    caches: list[GraphCache] = []

    def graphs(program: Program) -> GraphCache:
        caches.append(GraphCache(program, rerun, RecordingNote(tmp_path / "note")))
        return caches[0]

    tiles = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), np.uint8)
    plain = TorchSession(upscaler(2), device="cpu")
    session = TorchSession(upscaler(2), device="cpu", graphs=graphs)
    expected = [levels.copy() for levels in plain.run_levels([[tile] for tile in tiles])]
    found = [levels.copy() for levels in session.run_levels([[tile] for tile in tiles])]
    assert np.array_equal(found, expected)
    assert list(caches[0]._graphs) == [(1, 24, 24, 3)]
    session.close()
    assert list(caches[0]._graphs) == []
    assert caplog.messages == []


@pytest.mark.gpu
def test_cuda_recorder__replays_what_the_network_gives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net = upscaler(4)
    plain = TorchSession(net, device="cuda:0", precision="fp16")
    session = TorchSession(
        net,
        device="cuda:0",
        precision="fp16",
        graphs=lambda program: GraphCache(
            program, CudaRecorder(), RecordingNote(tmp_path / "note")
        ),
    )
    rng = np.random.default_rng(0)
    batches = [list(rng.integers(0, 256, (count, 64, 96, 3), np.uint8)) for count in (8, 2) * 4]
    pairs = zip(session.run_levels(batches), plain.run_levels(batches), strict=True)
    apart = [np.abs(found.astype(int) - expected).max() for found, expected in pairs]
    assert max(apart) <= 1  # what a recording is held to
    assert caplog.messages == []


@pytest.mark.gpu
def test_cuda_recorder__that_fails_leaves_cuda_usable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Asking(torch.nn.Module):
        def forward(self, batch: Tensor) -> Tensor:
            return batch + batch.max().item()  # waits for the device, which no graph may

    session = TorchSession(
        Asking(),
        device="cuda:0",
        graphs=lambda program: GraphCache(
            program, CudaRecorder(), RecordingNote(tmp_path / "note")
        ),
    )
    dark = [np.zeros((16, 16, 3), np.uint8)]
    assert all((levels == 0).all() for levels in session.run_levels([dark] * 4))
    assert len(caplog.messages) == 1
    session.close()  # gives memory back, which PyTorch refuses while a recording seems to go on
    other = TorchSession(upscaler(2), device="cuda:0")
    assert [levels.shape for levels in other.run_levels([dark])] == [(1, 32, 32, 3)]
