"""Measured costs: real figures, kept once per machine and weights, safe for many workers."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from enhancer_worker.engine import measuring
from enhancer_worker.engine.measuring import cost_of, known_cost, measure
from enhancer_worker.engine.planner import Line, NetCost
from tests.worker.tiny_nets import loaded, restorer, upscaler


@pytest.mark.parametrize("net", [upscaler(), restorer()], ids=["upscaler", "restorer"])
def test_measure__finds_costs_of_a_real_network(net: object) -> None:
    cost = measure(loaded(net))
    assert cost.seconds.at(256 * 256) > 0
    assert cost.seconds.at(512 * 512) >= cost.seconds.at(128 * 128)


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


def test_cost_of__lets_workers_measure_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(4, timeout=30)

    def together(net: object) -> NetCost:
        barrier.wait()
        return NetCost(Line(1, 1), Line(1, 1))

    monkeypatch.setattr(measuring, "measure", together)
    net, ids = loaded(upscaler()), iter(range(4))
    monkeypatch.setattr(measuring.os, "getpid", lambda: next(ids))
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
