"""The engine benchmark: contenders in real processes, and what is made of their figures."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import engine, engines, jobs
from benchmarks.rounds import Contender, Outcome, compete
from tests.worker import contending
from tests.worker.training_data import write_picture

X2 = "upscale_x2_s"
PLAIN_X2 = "upscale_x2_s_photo"
"""Without a back-projection, which spandrel does not know."""


def test_compete__runs_each_contender_in_a_process_of_its_own() -> None:
    contenders = [
        Contender("quick", contending.sleeper, {"seconds": 0.0}),
        Contender("slow", contending.sleeper, {"seconds": 0.05}),
    ]
    outcomes = compete(contenders, rounds=2)
    assert list(outcomes) == ["quick", "slow"]
    assert len({os.getpid(), *(one.result for one in outcomes.values())}) == 3
    assert [len(one.seconds) for one in outcomes.values()] == [2, 2]
    assert outcomes["slow"].median_seconds >= 0.05
    figures = outcomes["slow"].figures()
    assert figures["turns"] == 2
    assert figures["fastest_seconds"] <= figures["median_seconds"] <= figures["slowest_seconds"]


def test_compete__sees_the_peak_of_memory_and_not_that_of_others() -> None:
    megabytes = contending.MEGABYTES
    contenders = [
        Contender("eater", contending.eater, {"megabytes": megabytes}),
        Contender("sleeper", contending.sleeper, {"seconds": 0.0}),
    ]
    outcomes = compete(contenders, rounds=1)
    peaks = {label: one.figures()["peak_over_idle_megabytes"] for label, one in outcomes.items()}
    # The bytes and their changed copy, wherever the allocator and the libraries round.
    assert 1.5 * megabytes < peaks["eater"] < 4 * megabytes
    assert peaks["sleeper"] < peaks["eater"] / 2


def test_compete__goes_on_without_those_that_fail() -> None:
    contenders = [
        Contender("absent", contending.absent),
        Contender("failing", contending.failing),
        Contender("dying", contending.dying),
        Contender("sleeper", contending.sleeper, {"seconds": 0.0}),
    ]
    outcomes = compete(contenders, rounds=1)
    assert outcomes["absent"].figures() == {"failure": "LookupError: is not installed"}
    assert outcomes["failing"].figures() == {"failure": "ValueError: too large"}
    assert "died" in outcomes["dying"].failure
    assert len(outcomes["sleeper"].seconds) == 1


@pytest.fixture
def source(tmp_path: Path) -> tuple[str, int, int]:
    write_picture(tmp_path / "one.png", 7, 100)
    return str(tmp_path / "one.png"), 90, 70


@pytest.fixture(autouse=True)
def as_many_threads_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    count = torch.get_num_threads()
    monkeypatch.setattr(engines, "threads", lambda: count)


def test_engines__agree_on_the_pixels(source: tuple[str, int, int]) -> None:
    whole = engines.pytorch_eager(X2, source)()
    assert whole.shape == (140, 180, 3)
    assert whole.dtype == np.uint8
    assert engine.distance(engines.ours(X2, "fp32", source)(), whole)["levels_apart"] <= 1


def test_tile_loop__agrees_on_the_pixels_where_spandrel_knows_all_of_a_net(
    source: tuple[str, int, int],
) -> None:
    whole = engines.pytorch_eager(PLAIN_X2, source)()
    assert engine.distance(engines.tile_loop(PLAIN_X2, source)(), whole)["levels_apart"] <= 1


@pytest.mark.slow
def test_onnx__agrees_on_the_pixels(source: tuple[str, int, int], tmp_path: Path) -> None:
    exact = engines.export_onnx(X2, tmp_path)
    quantised = engines.quantise_onnx(exact, [Path(source[0])])
    whole = engines.pytorch_eager(X2, source)()
    for in_tiles in (False, True):
        run = engines.onnx(X2, source, str(exact), in_tiles=in_tiles)
        assert engine.distance(run(), whole)["levels_apart"] <= 1
    eight_bits = engines.onnx(X2, source, str(quantised), in_tiles=False)()
    assert 30 < engine.distance(eight_bits, whole)["psnr_to_baseline"] < 100


def test_tile_loop__of_several_tiles_is_nearly_the_whole(
    source: tuple[str, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SCRIPT_TILE_PIXELS", 40)
    tiled, whole = (run(PLAIN_X2, source)() for run in (engines.tile_loop, engines.pytorch_eager))
    # The net sees 10 pixels, as many as the loop adds.
    assert engine.distance(tiled, whole)["levels_apart"] <= 1


def test_tile_loop__pads_for_a_net_that_wants_multiples(tmp_path: Path) -> None:
    write_picture(tmp_path / "one.png", 7, 100)
    odd = (str(tmp_path / "one.png"), 51, 43)
    tiled, whole = engines.tile_loop("restore_s", odd)(), engines.pytorch_eager("restore_s", odd)()
    assert tiled.shape == (43, 51, 3)
    assert engine.distance(tiled, whole)["levels_apart"] == 0


def test_picture__without_a_photograph_is_noise() -> None:
    noise = engines.picture("", 20, 10)
    assert noise.shape == (10, 20, 3)
    assert np.array_equal(noise, engines.picture("", 20, 10))


def test_distance__counts_levels_and_decibels() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    apart = engine.distance(grey + np.uint8(2), grey)
    assert apart["levels_apart"] == 2
    assert apart["psnr_to_baseline"] == pytest.approx(42.1102, abs=1e-3)
    assert engine.distance(grey, grey) == {"levels_apart": 0, "psnr_to_baseline": 100.0}


def test_jobs__time_the_network_inside_a_job(source: tuple[str, int, int]) -> None:
    seconds = jobs.prepare("clean", source)()
    steps = {"decode", "restore", "upscale", "encode"}
    assert steps <= set(seconds)
    assert 0 < seconds["network"] < seconds["total"]
    assert seconds["network"] <= seconds["restore"] + seconds["upscale"]


def outcome(seconds: float) -> Outcome:
    return Outcome(
        seconds=[seconds],
        first_seconds=1,
        idle_bytes=10**8,
        peak_bytes=3 * 10**8,
        result=np.zeros((2, 2, 3), np.uint8),
    )


def figures_of(**seconds: float) -> dict[str, Any]:
    workload = engine.Workload("1000 -> 2000", X2, 1000, 1000)
    names = {"a": engine.BASELINE, "b": engine.SCRIPT, "c": "ONNX (c)", "ours": "ours fp32"}
    outcomes = {names[name]: outcome(value) for name, value in seconds.items()}
    outcomes["ours int8"] = Outcome(failure="LookupError: ships without int8")
    return engine.summarize(workload, outcomes)


def test_summarize__compares_with_the_baseline() -> None:
    summary = figures_of(a=2.0, b=4.0, c=1.0, ours=0.5)
    assert summary["baseline"] == engine.BASELINE
    ours = summary["engines"]["ours fp32"]
    assert ours["times_as_fast_as_baseline"] == 4
    assert ours["source_megapixels_per_second"] == 2
    assert ours["peak_over_idle_megabytes"] == 200
    assert summary["engines"]["ours int8"] == {"failure": "LookupError: ships without int8"}


def test_bars__say_what_is_met() -> None:
    job = {
        "recipe": "clean",
        "network_share": 0.7,
        "seconds": {"total": 1.0, "first": 2.0, "network": 0.7, "decode": 0.3},
        "idle_megabytes": 100,
        "peak_over_idle_megabytes": 1400,
    }
    figures = {
        "workloads": {"w": figures_of(a=2.0, b=1.0, c=0.5, ours=0.5)},
        "jobs": {"clean 512": job, jobs.LARGE_JOB: {**job, "recipe": "restore"}},
    }
    assert [(one["bar"], one["measured"], one["met"]) for one in engine.bars(figures)] == [
        (">= 3", 4.0, True),
        (">= 3.5", 2.0, False),
        (">= 1", 1.0, True),
        (">= 0.75", 0.7, False),
        ("<= 1500", 1400, True),
    ]


def test_contenders__of_large_pictures_never_hold_all_features(tmp_path: Path) -> None:
    (tmp_path / "restore_s.onnx").touch()
    large = engine.Workload("large", "restore_s", 6000, 4000, is_large=True)
    labels = [one.label for one in engine.contenders_for(large, [Path("a.jpg")], tmp_path)]
    assert engine.BASELINE not in labels
    assert not [label for label in labels if "whole picture" in label]
    assert labels[-3:] == ["ours fp32", "ours int8", "ours auto"]


def test_engine__says_where_no_photographs_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine.main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"no photographs below {tmp_path}\n"
