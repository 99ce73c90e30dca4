"""The GPU benchmark: what it can be held to where there is no GPU."""

from pathlib import Path

import pytest
import torch

from benchmarks import gpu


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
    assert gpu.operations("upscale_x4_s") == 2 * weights * 512 * 512


def test_roofline__is_the_share_of_a_known_peak() -> None:
    kernel = {"operations_per_image": 1e11, "images_per_second": 989.0}
    assert gpu.roofline(kernel, gpu.peak_of("NVIDIA H100 80GB HBM3")) == {
        "tflops": pytest.approx(98.9),
        "peak_tflops": 989.0,
        "share": pytest.approx(0.1),
    }
    assert gpu.roofline(kernel, gpu.peak_of("unheard of")) == {"tflops": pytest.approx(98.9)}
