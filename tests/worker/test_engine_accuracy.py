"""Which precision a GPU runs a network in: held to fp32, then the fastest, and tried only once."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import accuracy, foreign
from enhancer_worker.engine.accuracy import (
    LEAST_PSNR_DB,
    Trial,
    pick_precision,
    psnr_db,
    session_by_check,
    trial_crops,
)
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.loading import load
from enhancer_worker.engine.torch_session import TorchSession
from enhancer_worker.nets import zoo
from enhancer_worker.nets.zoo import load_net
from tests.worker.tiny_nets import TINY_ZOO, upscaler, write_weights


@pytest.fixture(autouse=True)
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "_BATCHES", 1)
    monkeypatch.setattr(accuracy, "_LAPS", 1)


class Overflowing(nn.Module):
    """Fine in fp32 and bf16; what is between the two steps is too large for half precision."""

    def forward(self, batch: Tensor) -> Tensor:
        return batch * 1e6 / 1e6


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> None:
    def take(session: TorchSession) -> float:
        return seconds[session.device.removeprefix("cpu (torch ").removesuffix(")")]

    monkeypatch.setattr(accuracy, "_seconds", take)


def maker(
    build: Callable[[], nn.Module], made: list[str] | None = None
) -> Callable[[str], TorchSession]:
    def make(precision: str) -> TorchSession:
        if made is not None:
            made.append(precision)
        return TorchSession(build(), device="cpu", precision=precision)

    return make


@pytest.mark.parametrize(
    ("fp16", "bf16", "picked"),
    [
        ((72, 0.4), (55, 0.5), "fp16"),
        ((72, 0.5), (55, 0.4), "bf16"),
        ((72, 0.5), (49.9, 0.4), "fp16"),
        ((math.nan, 0.1), (50, 0.4), "bf16"),
        ((math.nan, 0.1), (-math.inf, 0.1), "fp32"),
        ((72, 0.5), (55, 0.48), "fp16"),
        ((72, 0.96), (55, 0.97), "fp32"),
        ((72, 1.1), (55, 1.2), "fp32"),
        ((math.inf, 0.9), (math.inf, 0.9), "fp16"),
    ],
)
def test_pick_precision__is_the_fastest_that_is_close_enough(
    fp16: tuple[float, float], bf16: tuple[float, float], picked: str
) -> None:
    trials = {"fp32": Trial(math.inf, 1.0), "fp16": Trial(*fp16), "bf16": Trial(*bf16)}
    assert pick_precision(trials) == picked


def test_psnr_db__is_infinite_for_equal_results_and_nothing_for_what_is_no_number() -> None:
    ones = np.ones((2, 3), np.float32)
    assert psnr_db(ones, ones) == math.inf
    assert psnr_db(2 * ones, ones) == math.inf  # both are white once clipped
    assert math.isnan(psnr_db(ones * np.float32(np.nan), ones))


def test_trial_crops__are_the_same_each_time_and_reach_both_ends() -> None:
    crops = trial_crops()
    assert (crops.shape, crops.dtype) == ((4, 192, 192, 3), np.uint8)
    assert np.array_equal(crops, trial_crops())
    assert all((crop.min(), crop.max()) == (0, 255) for crop in crops)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_shipped_network__is_closer_to_fp32_than_the_limit(precision: str) -> None:
    batch = np.ascontiguousarray(trial_crops()[:, :96, :96].transpose(0, 3, 1, 2), np.float32)
    batch /= 255.0
    reference = TorchSession(load_net("upscale_x2_s"), device="cpu")(batch)
    found = TorchSession(load_net("upscale_x2_s"), device="cpu", precision=precision)(batch)
    assert LEAST_PSNR_DB < psnr_db(found, reference) < 90


def test_session_by_check__keeps_what_it_found_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {"fp32": 1.0, "fp16": 0.5, "bf16": 0.4})
    path, made = tmp_path / "new" / "precision.json", list[str]()
    make = maker(lambda: upscaler(2), made)
    assert session_by_check(make, path).device == "cpu (torch bf16)"
    assert made == ["fp32", "fp16", "bf16"]
    facts = json.loads(path.read_text())
    assert (facts["precision"], facts["limit_db"]) == ("bf16", 50.0)
    assert float(facts["trials"]["fp16"]["psnr_db"]) > float(facts["trials"]["bf16"]["psnr_db"])
    assert session_by_check(make, path).device == "cpu (torch bf16)"
    assert made[3:] == ["bf16"]
    for damaged in ("half a fi", '{"precision": "int4"}', "[]"):
        path.write_text(damaged)
        session_by_check(make, path)
        assert json.loads(path.read_text()) == facts


def test_session_by_check__refuses_a_precision_that_overflows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {"fp32": 1.0, "fp16": 0.1, "bf16": 0.4})
    session = session_by_check(maker(Overflowing), tmp_path / "file")
    assert session.device == "cpu (torch bf16)"
    blocked = tmp_path / "file" / "in a file"
    assert session_by_check(maker(Overflowing), blocked).device == "cpu (torch bf16)"


class Refusing(torch.nn.Module):
    """Has no kernel for half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.reason = upscaler(2), "not implemented for 'Half'"

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if batch.dtype == torch.float16:
            raise RuntimeError(self.reason)
        result: torch.Tensor = self.net(batch)
        return result


def test_session_by_check__waits_for_another_process_that_measures(tmp_path: Path) -> None:
    path, made = tmp_path / "precision.json", list[str]()
    make = maker(lambda: upscaler(2), made)
    with ThreadPoolExecutor(1) as pool, (tmp_path / "precision.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = pool.submit(session_by_check, make, path)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        assert made == []
        path.write_text('{"precision": "bf16"}')
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert waiting.result(timeout=30).device == "cpu (torch bf16)"
    assert made == ["bf16"]


def test_session_by_check__goes_on_where_a_precision_gives_no_numbers(tmp_path: Path) -> None:
    session = session_by_check(maker(Overflowing), tmp_path / "file")
    assert session.device in {"cpu (torch bf16)", "cpu (torch fp32)"}


def test_session_by_check__goes_on_where_a_precision_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    timed(monkeypatch, {"fp32": 1.0, "fp16": 0.1, "bf16": 0.4})
    session = session_by_check(maker(Refusing), tmp_path / "file")
    assert session.device == "cpu (torch bf16)"
    assert caplog.messages == ["cpu (torch fp16) does not run: not implemented for 'Half'"]
    trial = json.loads((tmp_path / "file").read_text())["trials"]["fp16"]
    assert trial == {"psnr_db": "nan", "seconds": None}


def test_session_by_check__keeps_no_finding_where_memory_was_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short() -> Refusing:
        net = Refusing()
        net.reason = "GET was unable to find an engine to execute this computation"
        return net

    timed(monkeypatch, {"fp32": 1.0, "fp16": 0.1, "bf16": 0.4})
    assert session_by_check(maker(short), tmp_path / "file").device == "cpu (torch bf16)"
    assert not (tmp_path / "file").exists()
    assert session_by_check(maker(Refusing), tmp_path / "file").device == "cpu (torch bf16)"
    assert (tmp_path / "file").exists()


def test_session_by_check__does_not_go_on_with_a_device_that_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> Refusing:
        net = Refusing()
        net.reason = "CUDA error: an illegal memory access was encountered"
        return net

    timed(monkeypatch, {"fp32": 1.0, "fp16": 0.1, "bf16": 0.4})
    with pytest.raises(RuntimeError, match="illegal memory access"):
        session_by_check(maker(lost), tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_load__checks_the_precision_of_what_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    folder = write_weights(tmp_path / "weights", ["upscale_x2_s"])
    config = WorkerConfig(weights_dir=folder, cache_dir=tmp_path / "cache", threads=1)
    placement = Placement("torch", "cpu", "auto")
    net = load(TINY_ZOO["upscale_x2_s"], placement, config)
    (kept,) = (tmp_path / "cache").glob("*.json")
    facts = json.loads(kept.read_text())
    assert kept.name.startswith("precision-")
    assert net.session.device == f"cpu (torch {facts['precision']})"
    assert all(trial["seconds"] > 0 for trial in facts["trials"].values())
    assert load(TINY_ZOO["upscale_x2_s"], placement, config).session.device == net.session.device


@pytest.mark.parametrize(
    ("wanted", "half", "bfloat", "units", "precision"),
    [
        ("auto", True, True, True, "bf16"),
        ("auto", True, True, False, "fp32"),
        ("auto", True, False, True, "fp32"),
        ("bf16", True, True, False, "bf16"),
        ("fp16", True, True, True, "fp16"),
        ("fp16", False, True, True, "fp32"),
    ],
)
def test_foreign_network__runs_in_bfloat16_where_it_is_left_to_us(
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    half: bool,
    bfloat: bool,
    units: bool,
    precision: str,
) -> None:
    class Descriptor:
        supports_half, supports_bfloat16 = half, bfloat

    monkeypatch.setattr(foreign, "_multiplies_bfloat16", lambda device: units)
    assert foreign._precision(Descriptor(), Placement("torch", "cuda:0", wanted)) == precision
    assert foreign._precision(Descriptor(), Placement("torch", "cpu", wanted)) == "fp32"


@pytest.mark.gpu
def test_load__checks_the_precision_on_cuda(tmp_path: Path) -> None:
    config = WorkerConfig(device="cuda:0", cache_dir=tmp_path)
    load(zoo.ZOO["upscale_x2_s"], Placement("torch", "cuda:0", "auto"), config)
    (kept,) = tmp_path.glob("precision-*.json")
    trials = json.loads(kept.read_text())["trials"]
    assert all(float(trial["psnr_db"]) > LEAST_PSNR_DB for trial in trials.values())
    assert not torch.backends.cudnn.allow_tf32
