"""Settings, devices and weights files: what is refused, and in which words."""

from __future__ import annotations

import io
import logging
import math
import urllib.error
from pathlib import Path
from typing import IO

import numpy as np
import openvino as ov
import pytest
import torch
from torch import Tensor, nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import device, download
from enhancer_worker.engine.device import Placement, choose_placement
from enhancer_worker.engine.download import fetch_missing
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import convert, load
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.nets import zoo
from enhancer_worker.nets.manifest import file_digest
from shopimg.contract import Deadline, RecipeError, WorkerError
from tests.worker.tiny_nets import TINY_ZOO, write_weights

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    return write_weights(tmp_path / "weights")


def tiny_engine(weights_dir: Path, **options: object) -> Engine:
    options = {"device": "cpu", "threads": 1} | options
    return Engine(WorkerConfig(weights_dir=weights_dir, **options), TINY_ZOO)


def test_config__reads_the_environment() -> None:
    config = WorkerConfig.from_environment(
        {
            "ENHANCER_DEVICE": "cuda:1",
            "ENHANCER_PRECISION": "fp16",
            "ENHANCER_TIER": "m",
            "ENHANCER_THREADS": "3",
            "ENHANCER_TILE_SIZE": "320",
            "ENHANCER_WEIGHTS_DIR": "/srv/weights",
            "ENHANCER_WEIGHTS_URL": "https://example.org/weights",
        }
    )
    assert config == WorkerConfig(
        device="cuda:1",
        precision="fp16",
        tier="m",
        threads=3,
        tile_size=320,
        weights_dir=Path("/srv/weights"),
        weights_url="https://example.org/weights",
    )


def test_config__has_defaults_for_everything() -> None:
    assert WorkerConfig.from_environment({}) == WorkerConfig()
    assert WorkerConfig().weights_dir.name == "weights"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENHANCER_DEVICE", "gpu"),
        ("ENHANCER_DEVICE", "cuda:x"),
        ("ENHANCER_PRECISION", "int4"),
        ("ENHANCER_TIER", "xl"),
        ("ENHANCER_JPEG_DECODER", "nvjpeg"),
        ("ENHANCER_THREADS", "many"),
        ("ENHANCER_THREADS", "-1"),
        ("ENHANCER_TILE_SIZE", "16"),
        ("ENHANCER_GPU_MEMORY_SHARE", "half"),
        ("ENHANCER_GPU_MEMORY_SHARE", "0"),
        ("ENHANCER_GPU_MEMORY_SHARE", "1.5"),
        ("ENHANCER_GPU_MEMORY_SHARE", "nan"),
        ("ENHANCER_WEIGHTS_URL", "http://example.org"),
    ],
)
def test_config__names_the_variable_that_is_wrong(name: str, value: str) -> None:
    with pytest.raises(WorkerError, match=name):
        WorkerConfig.from_environment({name: value})


@pytest.mark.parametrize(
    ("wanted", "cuda_devices", "placement"),
    [
        ("auto", 0, Placement("openvino", "cpu", "auto")),
        ("auto", 2, Placement("torch", "cuda:0", "auto")),
        ("cpu", 2, Placement("openvino", "cpu", "auto")),
        ("torch-cpu", 2, Placement("torch", "cpu", "fp32")),
        ("cuda", 1, Placement("torch", "cuda:0", "auto")),
        ("cuda:1", 2, Placement("torch", "cuda:1", "auto")),
    ],
)
def test_choose_placement__decides(
    wanted: str, cuda_devices: int, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "count_cuda_devices", lambda: cuda_devices)
    assert choose_placement(wanted, "auto") == placement
    assert choose_placement(wanted, "fp16").precision == "fp16"


@pytest.mark.parametrize("wanted", ["cuda", "torch-cpu"])
def test_choose_placement__runs_int8_through_openvino_only(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "count_cuda_devices", lambda: 1)
    with pytest.raises(WorkerError, match="ENHANCER_PRECISION=int8: only CPUs run it"):
        choose_placement(wanted, "int8")
    assert choose_placement("cpu", "int8") == Placement("openvino", "cpu", "int8")


@pytest.mark.parametrize(("wanted", "cuda_devices"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_choose_placement__does_not_replace_cuda_that_was_asked_for(
    wanted: str, cuda_devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "count_cuda_devices", lambda: cuda_devices)
    with pytest.raises(WorkerError, match=f"ENHANCER_DEVICE={wanted}.*has {cuda_devices} CUDA"):
        choose_placement(wanted, "auto")


def test_count_cuda_devices__needs_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_NVIDIA_DEVICES", (Path("/nonexistent"),))
    assert not device.has_nvidia_driver()
    assert device.count_cuda_devices() == 0
    monkeypatch.setattr(device, "_NVIDIA_DEVICES", (Path("/nonexistent"), Path("/")))
    assert device.has_nvidia_driver()


def test_engine__loads_a_network_once(weights_dir: Path) -> None:
    engine = tiny_engine(weights_dir, device="torch-cpu")
    net = engine.net("upscale", 2)
    assert engine.net("upscale", 2) is net
    assert net.name == "upscale_x2_s"
    assert net.digest == file_digest(weights_dir / "upscale_x2_s.safetensors")
    assert net.geometry == Geometry(2, 4, 1)
    engine.close()
    assert engine.net("upscale", 2) is not net


def test_engine__knows_what_it_does_not_have(weights_dir: Path) -> None:
    write_weights(weights_dir, ["upscale_x2_s", "restore_s"])
    with pytest.raises(RecipeError, match="no network for upscale x3, only upscale_x2_s, restore"):
        tiny_engine(weights_dir).net("upscale", 3)


def test_engine__prefers_the_exported_file(weights_dir: Path) -> None:
    entry = TINY_ZOO["upscale_x2_s"]
    path = weights_dir / "upscale_x2_s.xml"
    ov.save_model(convert(entry.build(), 1), path, compress_to_fp16=False)
    manifest = weights_dir / "weights.json"
    digests = {name: file_digest(path.with_name(name)) for name in (path.name, f"{path.stem}.bin")}
    old, new = '"openvino_sha256": {}', f'"openvino_sha256": {digests}'.replace("'", '"')
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    (weights_dir / "upscale_x2_s.safetensors").unlink()
    pixels = np.zeros((20, 20, 3), np.uint8)
    engine = tiny_engine(weights_dir)
    run = engine.run(engine.net("upscale", 2), pixels, Deadline(math.inf))
    assert run.pixels.shape == (40, 40, 3)
    path.with_suffix(".bin").write_bytes(b"altered")
    with pytest.raises(WorkerError, match=r"upscale_x2_s\.bin has sha256 .* expected"):
        tiny_engine(weights_dir).net("upscale", 2)


def test_load__judges_uploads_on_the_cpu_whatever_the_device() -> None:
    # There is no such GPU: asking for it would fail.
    placement = Placement("torch", "cuda:99", "auto")
    net = load(zoo.ZOO["estimate_s"], placement, WorkerConfig(threads=1))
    assert net.session.device == "cpu (torch fp32)"


@pytest.mark.parametrize("wanted", ["cpu", "torch-cpu"])
def test_engine__refuses_altered_weights(weights_dir: Path, wanted: str) -> None:
    path = weights_dir / "restore_s.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00\x01")
    with pytest.raises(WorkerError, match=r"restore_s\.safetensors has sha256 .* expected"):
        tiny_engine(weights_dir, device=wanted).net("restore", 1)


@pytest.mark.parametrize("wanted", ["cpu", "torch-cpu"])
def test_engine__refuses_weights_of_another_network(weights_dir: Path, wanted: str) -> None:
    manifest = weights_dir / "weights.json"
    deeper = manifest.read_text().replace('"blocks": [1, 1]', '"blocks": [1, 2]')
    assert deeper != manifest.read_text()
    manifest.write_text(deeper)
    with pytest.raises(
        WorkerError, match=r"restore_s is .*\[1, 2\].* this version runs .*\[1, 1\]"
    ):
        tiny_engine(weights_dir, device=wanted).net("restore", 1)


def test_engine__says_which_weights_file_is_missing(weights_dir: Path) -> None:
    (weights_dir / "restore_s.safetensors").unlink()
    with pytest.raises(WorkerError, match=r"restore_s\.safetensors is missing.*ENHANCER_WEIGHTS_U"):
        tiny_engine(weights_dir).net("restore", 1)


def test_engine__chooses_tiles_by_their_margin() -> None:
    engine = Engine(WorkerConfig(device="cpu"))
    assert engine.tile_size(Geometry(2, 10, 1)) == 512
    assert engine.tile_size(Geometry(1, 54, 4)) == 1344


def answer_with(content: bytes, asked: list[str]) -> object:
    def urlopen(address: str, timeout: float) -> IO[bytes]:
        asked.append(address)
        return io.BytesIO(content)

    return urlopen


def test_fetch_missing__downloads_pinned_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(download.urllib.request, "urlopen", answer_with(b"", asked))
    path = tmp_path / "new" / "net.bin"
    fetch_missing(path, EMPTY_SHA256, "https://example.org/w/")
    fetch_missing(path, EMPTY_SHA256, "https://example.org/w/")
    assert asked == ["https://example.org/w/net.bin"]
    assert path.read_bytes() == b""
    assert list(path.parent.iterdir()) == [path]


def test_fetch_missing__keeps_no_other_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.urllib.request, "urlopen", answer_with(b"other", []))
    with pytest.raises(WorkerError, match=f"expected {EMPTY_SHA256}: not used"):
        fetch_missing(tmp_path / "net.bin", EMPTY_SHA256, "https://example.org")
    assert list(tmp_path.iterdir()) == []


def test_fetch_missing__says_that_there_is_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def urlopen(address: str, timeout: float) -> IO[bytes]:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(download.urllib.request, "urlopen", urlopen)
    with pytest.raises(WorkerError, match=r"cannot download https://\S+/net\.bin: .*by hand"):
        fetch_missing(tmp_path / "net.bin", EMPTY_SHA256, "https://example.org")


class Unconvertible(nn.Module):
    """Something that OpenVINO has no operation for."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.special.bessel_j0(pixels)


def test_convert__failure_leaves_the_log_level_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ov.frontend.OpConversionFailure, match="bessel"):
        convert(Unconvertible(), 1)
    logging.getLogger("enhancer_worker").warning("still heard")
    heard = [record.message for record in caplog.records if record.name == "enhancer_worker"]
    assert heard == ["still heard"]


@pytest.mark.parametrize("name", ["estimate_s", "blur_s", "cutout_s"])
def test_load__judges_and_cuts_out_on_the_cpu_whatever_the_device(name: str) -> None:
    net = load(zoo.ZOO[name], Placement("torch", "cuda:99", "auto"), WorkerConfig(threads=1))
    assert net.session.device == "cpu (torch fp32)"
