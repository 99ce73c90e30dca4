"""When memory is short: smaller batches, smaller tiles, then the CPU, and the report says so."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import device_memory
from enhancer_worker.engine.device_memory import CudaMemory
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import convert
from enhancer_worker.engine.runner import run_tiled
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.engine.torch_session import TorchSession
from enhancer_worker.nets import zoo
from enhancer_worker.nets.manifest import file_digest
from enhancer_worker.pipeline.steps.outcome import engine_details
from shopimg.contract import CapacityError, Deadline, WorkerError
from tests.worker.tiny_nets import TINY_ZOO, geometry_of, loaded, upscaler, write_weights

NO_LIMIT = Deadline(math.inf)
NAME = "upscale_x2_s"
PIXELS = np.random.default_rng(5).integers(0, 256, (150, 130, 3), np.uint8)


class Plenty:
    """Memory that seems to have room for everything."""

    def free_bytes(self) -> float:
        return 1e12

    def peak_bytes(self, run: object) -> float:
        run()
        return 1.0


def refuse(net: torch.nn.Module, above: int) -> torch.nn.Module:
    """Make a real network fail as PyTorch does, for batches of more pixels than that."""

    def check(_net: torch.nn.Module, batches: tuple[torch.Tensor]) -> None:
        count, _, height, width = batches[0].shape
        if count * height * width > above:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    net.register_forward_pre_hook(check)
    return net


def session_with_room(above: int) -> TorchSession:
    session = TorchSession(upscaler(2), device="cpu", memory=Plenty())
    session.batch_for(64, 64)  # learns what a tile needs before memory gets short
    refuse(session._net, above)
    return session


def run(session: TorchSession, tile_size: int = 64, finish: object = None) -> object:
    net = LoadedNet("tiny", "", geometry_of(upscaler(2)), session)
    return run_tiled(net, PIXELS, tile_size=tile_size, deadline=NO_LIMIT, finish=finish)


def whole() -> NDArray[np.uint8]:
    return run_tiled(loaded(upscaler(2)), PIXELS, tile_size=64, deadline=NO_LIMIT).pixels


def keep(_batch: NDArray[np.float32], results: NDArray[np.float32]) -> NDArray[np.float32]:
    return results


@pytest.mark.parametrize(
    ("tiles", "shortages"),
    [
        (16, ()),
        (4, ("batches of 4",)),
        (1, ("batches of 4", "batches of 2", "batches of 1")),
        (0.5, ("batches of 4", "batches of 2", "batches of 1", "tiles of 32")),
    ],
)
def test_run_tiled__takes_smaller_batches_then_smaller_tiles(
    tiles: float, shortages: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    found = run(session_with_room(int(tiles * 64 * 64)))
    assert found.shortages == shortages
    assert np.array_equal(found.pixels, whole())
    assert [message.partition("now ")[2] for message in caplog.messages] == list(shortages)


def test_run_tiled__takes_smaller_batches_of_floats_too() -> None:
    found = run(session_with_room(2 * 64 * 64), finish=keep)
    assert found.shortages == ("batches of 4", "batches of 2")
    assert np.array_equal(found.pixels, whole())


def test_run_tiled__plans_floats_by_memory_too() -> None:
    class Little(Plenty):
        def free_bytes(self) -> float:
            return 1e5

        def peak_bytes(self, run: object) -> float:
            return super().peak_bytes(run) * 1e4

    session = TorchSession(upscaler(2), device="cpu", memory=Little())
    assert session.batch_for(64, 64) < session.largest_batch
    refuse(session._net, session.batch_for(64, 64) * 64 * 64)
    assert run(session, finish=keep).shortages == ()


def test_run_tiled__does_not_try_again_what_has_just_not_fitted() -> None:
    session = session_with_room(2 * 64 * 64)
    assert run(session).shortages == ("batches of 4", "batches of 2")
    again = [run(session) for _ in range(63)]
    assert {found.shortages for found in again} == {()}
    assert all(np.array_equal(found.pixels, whole()) for found in again[:2])
    run(session)
    assert run(session).shortages == ("batches of 4", "batches of 2")  # there might be room by now


def test_run_tiled__asks_others_for_room_first() -> None:
    session, asked = session_with_room(2 * 64 * 64), list[int]()

    def make_room() -> bool:
        asked.append(len(asked))
        session._net._forward_pre_hooks.clear()
        return True

    net = LoadedNet("tiny", "", geometry_of(upscaler(2)), session)
    found = run_tiled(net, PIXELS, tile_size=64, deadline=NO_LIMIT, make_room=make_room)
    assert (found.shortages, asked) == ((), [0])
    assert np.array_equal(found.pixels, whole())


def test_run_tiled__asks_others_for_room_once() -> None:
    session, asked = session_with_room(2 * 64 * 64), list[int]()
    net = LoadedNet("tiny", "", geometry_of(upscaler(2)), session)
    found = run_tiled(
        net, PIXELS, tile_size=64, deadline=NO_LIMIT, make_room=lambda: asked.append(0) is None
    )
    assert found.shortages == ("batches of 2",)  # the second attempt knew what had not fitted
    assert len(asked) == 1


def test_run_tiled__says_what_was_tried_when_it_gives_up() -> None:
    shortages: list[str] = []
    net = LoadedNet("tiny", "", Geometry(2, 4, 1), session_with_room(0))
    with pytest.raises(CapacityError, match="tiny does not fit into memory"):
        run_tiled(net, PIXELS, tile_size=64, deadline=NO_LIMIT, shortages=shortages)
    assert shortages == [*(f"batches of {n}" for n in (4, 2, 1)), "tiles of 32", "tiles of 16"]


@pytest.fixture
def exported_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return weights of one tiny net that OpenVINO need not convert."""
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    folder = write_weights(tmp_path / "weights", [NAME])
    files = [folder / f"{NAME}.xml", folder / f"{NAME}.bin"]
    ov.save_model(convert(TINY_ZOO[NAME].build(), 1), files[0], compress_to_fp16=False)
    manifest = json.loads((folder / "weights.json").read_text())
    digests = {file.name: file_digest(file) for file in files}
    manifest["weights"][NAME]["openvino_sha256"] = digests
    (folder / "weights.json").write_text(json.dumps(manifest))
    return folder


def test_engine__goes_down_to_the_cpu_for_one_picture(
    exported_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = WorkerConfig(
        device="torch-cpu", threads=1, weights_dir=exported_dir, cache_dir=tmp_path, tile_size=64
    )
    engine = Engine(config, TINY_ZOO)
    net = engine.net("upscale", 2)
    room = refuse(net.session._net, above=0)
    with caplog.at_level(logging.WARNING):
        found = engine.run(net, PIXELS, NO_LIMIT)
    assert engine_details(net, found) == {
        "network": NAME,
        "device": "cpu (openvino fp32)",
        "tiles": found.tile_count,
        "tile_size": list(found.tile_size),
        "memory_short": ["tiles of 32", "tiles of 16", "cpu (openvino fp32)"],
    }
    assert caplog.messages[-1] == (
        f"{NAME}: no memory on cpu (torch fp32); now cpu (openvino fp32)"
    )
    assert np.abs(found.pixels.astype(int) - whole()).max() <= 1
    room._forward_pre_hooks.clear()
    again = engine.run(net, PIXELS, NO_LIMIT)
    assert (again.device, again.shortages) == ("cpu (torch fp32)", ())
    engine.close()


def test_engine__loads_on_the_cpu_what_the_gpu_has_no_room_for(
    exported_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(*_args: object, **_options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    config = WorkerConfig(device="torch-cpu", weights_dir=exported_dir, cache_dir=tmp_path)
    engine = Engine(config, TINY_ZOO)
    with monkeypatch.context() as patched:
        patched.setattr(torch.nn.Module, "to", fill_up)
        assert engine.net("upscale", 2).session.device == "cpu (openvino fp32)"
    assert engine.net("upscale", 2).session.device == "cpu (torch fp32)"
    (exported_dir / f"{NAME}.safetensors").unlink()
    with pytest.raises(WorkerError, match="is missing"):
        Engine(config, TINY_ZOO).net("upscale", 2)


def test_engine__lets_other_networks_give_back_what_they_keep(
    exported_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = WorkerConfig(
        device="torch-cpu", threads=1, weights_dir=exported_dir, cache_dir=tmp_path, tile_size=64
    )
    engine = Engine(config, TINY_ZOO)
    net = engine.net("upscale", 2)
    other = LoadedNet("other", "", geometry_of(upscaler(2)), session_with_room(10**9))
    engine._nets["other"] = other
    released: list[str] = []

    def release() -> None:
        released.append("other")
        net.session._net._forward_pre_hooks.clear()

    monkeypatch.setattr(other.session, "release", release)
    refuse(net.session._net, above=0)
    assert engine.run(net, PIXELS, NO_LIMIT).shortages == ()
    assert released == ["other"]


def test_engine__on_the_cpu_has_nowhere_else_to_go(exported_dir: Path) -> None:
    engine = Engine(WorkerConfig(device="cpu", threads=1, weights_dir=exported_dir), TINY_ZOO)
    full = LoadedNet(NAME, "", geometry_of(upscaler(2)), session_with_room(0))
    with pytest.raises(CapacityError):
        engine.run(full, PIXELS, NO_LIMIT)


def test_cuda_memory__counts_the_share_and_what_the_allocator_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def segment(total: int, allocated: int, pool: int = 0, device: int = 0) -> dict[str, object]:
        found = {"device": device, "total_size": total, "allocated_size": allocated}
        return {**found, "segment_pool_id": (0, pool)}

    # A graph's own memory is free in between, but for nobody else; nor is that of another GPU.
    segments = [segment(12, 5), segment(8, 0), segment(30, 3, pool=1), segment(9, 1, device=1)]
    cuda = device_memory.torch.cuda
    monkeypatch.setattr(cuda, "mem_get_info", lambda _device: (60, 100))
    monkeypatch.setattr(cuda, "memory_reserved", lambda _device: 20)
    monkeypatch.setattr(cuda, "memory_snapshot", lambda include_traces: segments)
    device = torch.device("cuda:0")
    found = [CudaMemory(device, share).free_bytes() for share in (1.0, 0.5, 0.2, 0.1)]
    assert found == [75.0, 45.0, 15.0, 15.0]


@pytest.mark.gpu
def test_cuda_memory__measures_what_a_run_takes() -> None:
    memory = CudaMemory(torch.device("cuda:0"), 1.0)
    assert memory.peak_bytes(lambda: torch.zeros(1 << 24, device="cuda:0")) >= 1 << 26
    assert 0 < memory.free_bytes() <= torch.cuda.mem_get_info("cuda:0")[1]


@pytest.mark.gpu
def test_engine__goes_down_to_the_cpu_when_the_gpu_is_full(tmp_path: Path) -> None:
    config = WorkerConfig(device="cuda:0", cache_dir=tmp_path)
    engine = Engine(config)
    net = engine.net("upscale", 2)
    expected = engine.run(net, PIXELS, NO_LIMIT).pixels.astype(int)
    torch.cuda.set_per_process_memory_fraction(1e-6, "cuda:0")
    try:
        net.session._release()
        found = engine.run(net, PIXELS, NO_LIMIT)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, "cuda:0")
        engine.close()
    assert found.device.startswith("cpu (openvino")
    assert np.abs(found.pixels - expected).max() <= 8
