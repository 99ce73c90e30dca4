"""Measured costs: real figures, kept once per machine and weights, safe for many workers."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import measuring, runner
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.measuring import (
    cost_of,
    known_cost,
    machine_key,
    measure,
    peak_bytes,
)
from enhancer_worker.engine.planner import Line, NetCost
from enhancer_worker.engine.sizing import write_levels
from shopimg.contract import Deadline
from tests.worker.tiny_nets import loaded, restorer, upscaler

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("net", [upscaler(), restorer()], ids=["upscaler", "restorer"])
def test_measure__finds_costs_of_a_real_network(net: object) -> None:
    cost = measure(loaded(net))
    assert cost.seconds.at(256 * 256) > 0
    assert cost.seconds.at(512 * 512) >= cost.seconds.at(128 * 128)


@pytest.mark.skipif(not peak_bytes(), reason="the system does not tell")
def test_measure__finds_the_memory_of_a_real_network() -> None:
    # In a process of its own, where no other test has left memory to use again.
    code = (
        "from enhancer_worker.engine.measuring import measure\n"
        "from tests.worker.tiny_nets import loaded, upscaler\n"
        "print(measure(loaded(upscaler())).peak_bytes.at(448 * 448))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # Two activations of 16 channels of four bytes at the least; what PyTorch itself loads on top.
    assert 448 * 448 * 2 * 16 * 4 < float(done.stdout) < 1e9


def test_measure__counts_what_tiles_cost_outside_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]

    def write(*args: object) -> None:
        clock[0] += 2.0
        write_levels(*args)

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(runner, "write_levels", write)
    cost = measure(loaded(upscaler()))
    assert (cost.seconds, cost.warm_up_seconds) == (Line(2.0, 0.0), 0.0)


def test_machine_key__tells_gpus_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for name in ("NVIDIA H100", "NVIDIA L4", "NVIDIA L4"):
        named = {"cuda:1": name}
        monkeypatch.setattr(torch.cuda, "get_device_name", named.__getitem__)
        keys.add(machine_key("cuda:1 (torch bf16)", "0" * 64, 1))
    assert len(keys) == 2


def test_cost_of__measures_once_and_again_for_other_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def count(net: object) -> NetCost:
        measured.append(net.digest)
        return NetCost(Line(0.25, 1e-6), Line(0, 1))

    monkeypatch.setattr(measuring, "measure", count)
    net = loaded(upscaler())
    other = replace(net, digest="1" * 64)
    folder = tmp_path / "deep" / "cache"
    assert known_cost(net, 1, folder) is None
    first = cost_of(net, 1, folder)
    assert (cost_of(net, 1, folder), known_cost(net, 1, folder)) == (first, first)
    cost_of(other, 1, folder)
    cost_of(net, 2, folder)
    assert measured == ["0" * 64, "1" * 64, "0" * 64]
    for path in folder.iterdir():
        path.write_text("half a fi")
    assert cost_of(net, 1, folder) == first
    assert len(measured) == 4


def test_engine__takes_the_tiles_that_were_measured_to_be_fastest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "measure", lambda net: NetCost(Line(1, 0), Line(0, 0)))
    config = WorkerConfig(device="torch-cpu", threads=1, cache_dir=tmp_path)
    net, pixels = loaded(upscaler()), np.zeros((600, 600, 3), np.uint8)
    assert Engine(config).run(net, pixels, Deadline(math.inf)).tile_count == 4
    cost_of(net, 1, tmp_path)
    assert Engine(config).run(net, pixels, Deadline(math.inf)).tile_count == 1
    chosen = Engine(replace(config, tile_size=96)).run(net, pixels, Deadline(math.inf))
    assert chosen.tile_size == (96, 96)


def test_cost_of__lets_workers_measure_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(4, timeout=30)

    def together(net: object) -> NetCost:
        barrier.wait()
        return NetCost(Line(1, 1), Line(1, 1))

    monkeypatch.setattr(measuring, "measure", together)
    net = loaded(upscaler())
    workers = [threading.Thread(target=cost_of, args=(net, 1, tmp_path)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert known_cost(net, 1, tmp_path) == NetCost(Line(1, 1), Line(1, 1))
    assert len(list(tmp_path.iterdir())) == 1


def test_cost_of__works_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = NetCost(Line(1, 1), Line(1, 1))
    monkeypatch.setattr(measuring, "measure", lambda net: cost)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert cost_of(loaded(upscaler()), 1, blocked / "cache") == cost
