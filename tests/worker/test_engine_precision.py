"""Which precision a CPU runs a network in: what is raced, what wins, what is refused."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import loading, openvino_session, precision
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import convert
from enhancer_worker.engine.precision import Candidate, pick_fastest
from enhancer_worker.nets import zoo
from enhancer_worker.nets.manifest import file_digest, read_manifest
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.pipeline.run import run_recipe
from shopimg.contract import CLEAN, Deadline, WorkerError
from tests.worker.recipe_runs import png
from tests.worker.tiny_nets import TINY_ZOO, write_weights

NAME = "upscale_x2_s"
NO_LIMIT = Deadline(math.inf)
SHIPPED_INT8 = [name for name, record in read_manifest().items() if record.int8]


class Paced:
    """A session whose every call takes a known time on a clock of its own."""

    largest_batch = 1

    def __init__(self, clock: list[float], seconds: float, device: str) -> None:
        self.clock, self.seconds, self.device = clock, seconds, device
        self.disturbed_laps: set[int] = set()
        self.laps = 0
        self.is_closed = False

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.clock[0] += self.seconds + (9.0 if self.laps in self.disturbed_laps else 0.0)
        self.laps += 1
        return batch

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return tiny weights; one net has files of an 8-bit version (not really quantised)."""
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    folder = write_weights(tmp_path / "weights")
    files = [folder / f"{NAME}.int8.xml", folder / f"{NAME}.int8.bin"]
    ov.save_model(convert(TINY_ZOO[NAME].build(), 1), files[0], compress_to_fp16=False)
    record_int8(folder, {"sha256": {f.name: file_digest(f) for f in files}, "chosen": True})
    return folder


def record_int8(folder: Path, facts: dict[str, object]) -> None:
    manifest = json.loads((folder / "weights.json").read_text())
    entry = manifest["weights"][NAME]
    entry["int8"] = {"loss_db": 0.01, **entry.get("int8", {}), **facts}
    (folder / "weights.json").write_text(json.dumps(manifest))


def device_words(weights_dir: Path, wanted: str = "auto", name: str = NAME) -> str:
    config = WorkerConfig(weights_dir=weights_dir, device="cpu", threads=1, precision=wanted)
    entry = TINY_ZOO[name]
    return Engine(config, TINY_ZOO).net(entry.kind, entry.scale, entry.flavour).session.device


@pytest.mark.parametrize(
    ("int8", "bf16", "winner"),
    [
        (0.5, 0.6, "int8"),
        (0.6, 0.5, "bf16"),
        (0.9, 0.9, "fp32"),  # neither gains what it must
        (0.8, 0.7, "int8"),  # bfloat16 is faster, but not by its factor
        (2.0, 2.0, "fp32"),
    ],
)
def test_pick_fastest__wants_a_clear_gain(
    int8: float, bf16: float, winner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(precision.time, "perf_counter", lambda: clock[0])
    reference = Paced(clock, 1.0, "fp32")
    sessions = [Paced(clock, int8, "int8"), Paced(clock, bf16, "bf16")]
    candidates = [Candidate(sessions[0], 1.2), Candidate(sessions[1], 1.5)]
    picked = pick_fastest(reference, candidates)
    assert picked.device == winner
    assert [s.is_closed for s in (reference, *sessions)] == [
        session is not picked for session in (reference, *sessions)
    ]


def test_pick_fastest__is_not_misled_by_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(precision.time, "perf_counter", lambda: clock[0])
    reference, int8 = Paced(clock, 1.0, "fp32"), Paced(clock, 0.5, "int8")
    int8.disturbed_laps = {1, 3, 4, 5}  # all that count but one
    reference.disturbed_laps = {2}
    assert pick_fastest(reference, [Candidate(int8, 1.2)]) is int8


def test_pick_fastest__measures_nothing_without_candidates() -> None:
    clock = [0.0]
    reference = Paced(clock, 1.0, "fp32")
    assert pick_fastest(reference, []) is reference
    assert clock == [0.0]


@pytest.mark.parametrize(
    ("int8_units", "bf16_units", "raced"),
    [(False, False, []), (True, False, ["int8"]), (True, True, ["int8", "bf16"])],
)
def test_engine__races_what_the_cpu_has_units_for(
    weights_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    int8_units: bool,
    bf16_units: bool,
    raced: list[str],
) -> None:
    seen: list[str] = []

    def pick_last(reference: object, candidates: list[Candidate]) -> object:
        seen.extend(candidate.session.device for candidate in candidates)
        return candidates[-1].session if candidates else reference

    monkeypatch.setattr(loading, "has_int8_units", lambda: int8_units)
    monkeypatch.setattr(loading, "has_bf16_units", lambda: bf16_units)
    monkeypatch.setattr(loading, "pick_fastest", pick_last)
    with caplog.at_level(logging.INFO, logger="enhancer_worker.engine.loading"):
        chosen = device_words(weights_dir)
    assert seen == [f"cpu (openvino {name})" for name in raced]
    assert chosen == f"cpu (openvino {raced[-1] if raced else 'fp32'})"
    assert f"{NAME} runs on {chosen}" in caplog.messages


def test_engine__does_not_race_int8_that_loses_too_much(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_int8(weights_dir, {"chosen": False})
    monkeypatch.setattr(loading, "has_int8_units", lambda: True)
    monkeypatch.setattr(loading, "has_bf16_units", lambda: False)
    assert device_words(weights_dir) == "cpu (openvino fp32)"
    assert device_words(weights_dir, "int8") == "cpu (openvino int8)"


def test_engine__refuses_altered_or_absent_int8(weights_dir: Path) -> None:
    with pytest.raises(WorkerError, match="lists no int8 version of restore_s"):
        device_words(weights_dir, "int8", "restore_s")
    (weights_dir / f"{NAME}.int8.bin").write_bytes(b"altered")
    with pytest.raises(WorkerError, match=r"upscale_x2_s\.int8\.bin has sha256 .* expected"):
        device_words(weights_dir, "int8")
    (weights_dir / f"{NAME}.int8.bin").unlink()
    with pytest.raises(WorkerError, match=r"upscale_x2_s\.int8\.bin is missing"):
        device_words(weights_dir, "int8")


@pytest.mark.parametrize(
    ("flags", "int8", "bf16"),
    [
        ("avx512_bf16 avx512f", False, False),
        ("avx512_vnni avx512_bf16", True, False),
        ("avx_vnni", True, False),
        ("amx_bf16 amx_int8 amx_tile", True, True),
    ],
)
def test_units__are_read_from_the_cpus_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, int8: bool, bf16: bool
) -> None:
    facts = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "_CPU_FACTS", facts)
    assert (precision.has_int8_units(), precision.has_bf16_units()) == (False, False)
    facts.write_text(f"flags : {flags}")
    assert (precision.has_int8_units(), precision.has_bf16_units()) == (int8, bf16)


def test_engine__runs_int8_rightly_on_a_cpu_whose_sums_overflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openvino_session, "has_int8_units", lambda: False)
    stripes = np.where(np.arange(96) // 3 % 2, 255, 0).astype(np.uint8)
    picture = np.broadcast_to(stripes[None, :, None], (96, 96, 3))
    entry, runs = zoo_entry(NAME), {}
    for wanted in ("int8", "fp32"):
        engine = Engine(WorkerConfig(device="cpu", threads=1, precision=wanted), {NAME: entry})
        net = engine.net(entry.kind, entry.scale, entry.flavour)
        runs[wanted] = engine.run(net, np.ascontiguousarray(picture), NO_LIMIT).pixels / 255
    # 33 dB apart on a pattern this hard; 26 where sums overflow.
    assert 0 < np.mean((runs["int8"] - runs["fp32"]) ** 2) < 1e-3


@pytest.mark.parametrize("name", SHIPPED_INT8)
def test_shipped_int8__keeps_flat_areas_and_gradients(name: str) -> None:
    runs = {}
    levels = np.linspace(0, 255, 128).round().astype(np.uint8)
    gradient = np.ascontiguousarray(np.broadcast_to(levels[None, :, None], (64, 128, 3)))
    entry = zoo_entry(name)
    for wanted in ("int8", "fp32"):
        engine = Engine(WorkerConfig(device="cpu", threads=1, precision=wanted), {name: entry})
        net = engine.net(entry.kind, entry.scale, entry.flavour)
        for level in (0, 255):
            # The pipeline sets pure white to 255 again; the network alone comes close.
            flat = np.full((64, 64, 3), level, np.uint8)
            found = engine.run(net, flat, NO_LIMIT).pixels.astype(int)
            assert np.abs(found - level).max() <= 2
        runs[wanted] = engine.run(net, gradient, NO_LIMIT).pixels.astype(int)
    assert np.abs(runs["int8"] - runs["fp32"]).max() <= 3  # levels of 255; no visible bands


@pytest.mark.parametrize("wanted", ["fp32", "bf16", "fp16", "int8"])
def test_engine__runs_the_default_recipe_in_every_precision(wanted: str) -> None:
    engine = Engine(WorkerConfig(device="cpu", threads=1, precision=wanted))
    noisy = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    (image,) = run_recipe(png(noisy), CLEAN, engine=engine, deadline=NO_LIMIT)
    assert "estimate_s" in image.weights
    # What judges uploads has thresholds for figures of full precision.
    assert engine.net("estimate", 1).session.device == "cpu (openvino fp32)"
    assert engine.net("restore", 1).session.device == f"cpu (openvino {wanted})"
