"""The GPU benchmark: what it can be held to where there is no GPU."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import gpu, kernel
from enhancer_worker.config import WorkerConfig


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu__measures_nothing_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main(["--data", str(tmp_path), "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "no CUDA device: nothing was measured\n"
    assert list(tmp_path.iterdir()) == []


def test_operations__count_two_per_weight_and_pixel() -> None:
    # 48 channels, 8 hidden convolutions, 48 results per pixel at x4.
    weights = 9 * (3 * 48 + 8 * 48 * 48 + 48 * 48)
    assert kernel.operations("upscale_x4_s", 512) == 2 * weights * 512 * 512


def test_roofline__is_the_share_of_a_known_peak() -> None:
    figures = {
        "operations_per_image": 1e11,
        "images_per_second": 989.0,
        "device": "cuda:0 (torch bf16)",
    }
    assert kernel.roofline(figures, kernel.peak_of("NVIDIA H100 80GB HBM3")) == {
        "tflops": pytest.approx(98.9),
        "peak_tflops": 989.0,
        "share": pytest.approx(0.1),
    }
    assert kernel.roofline(figures, kernel.peak_of("unheard of")) == {"tflops": pytest.approx(98.9)}
    exact = {**figures, "device": "cuda:0 (torch fp32)"}
    assert kernel.roofline(exact, 989.0) == {"tflops": pytest.approx(98.9)}


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181),
        ("NVIDIA L400", 0),
    ],
)
def test_peak_of__tells_names_apart_that_begin_alike(name: str, peak: float) -> None:
    assert kernel.peak_of(name) == peak


def test_kernel__can_be_rehearsed_on_a_cpu(tmp_path: Path) -> None:
    config = WorkerConfig(device="torch-cpu", threads=1, cache_dir=tmp_path)
    found = kernel.measure_kernel(config, side=16, seconds=0, buckets=(1, 2))
    assert (found["net"], found["device"]) == ("upscale_x4_m", "cpu (torch fp32)")
    assert list(found["images_per_second_by_bucket"]) == [1, 2]
    assert found["images_per_second"] == max(found["images_per_second_by_bucket"].values())
    assert found["images_per_second_with_transfers"] > 0


def test_configured__divides_the_memory_among_processes() -> None:
    shares = [gpu.configured("cuda:0", count).gpu_memory_share for count in (1, 2, 4)]
    assert shares == [1.0, 0.45, 0.225]


@pytest.mark.slow
def test_gpu__can_be_rehearsed_on_a_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENHANCER_THREADS", "1")
    (tmp_path / "photos" / "any").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photos" / "any" / "a.jpg")
    options = ["--device", "torch-cpu", "--side", "32", "--seconds", "0.5", "--processes", "1", "2"]
    assert gpu.main(["--data", str(tmp_path), "--results", str(tmp_path), *options]) == 0
    page = capsys.readouterr().out
    assert "**A rehearsal on a CPU" in page
    assert "`upscale_x4_m`" in page
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert set(figures["processes"]) == {"1", "2"}
    assert [one["decoder"] for one in figures["decoding"].values()] == ["torchcodec"] * 2
    assert all(one["device_milliseconds"] > 0 for one in figures["decoding"].values())
    assert figures["half_load"]["p99_milliseconds"] >= figures["half_load"]["p50_milliseconds"] > 0
