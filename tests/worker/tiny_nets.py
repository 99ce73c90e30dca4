"""Small networks with random weights, and a weights folder of them, for tests of the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import openvino
import torch
from safetensors.torch import save_file
from torch import nn

from enhancer_worker.engine.loading import convert
from enhancer_worker.engine.session import LoadedNet, Session
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.engine.torch_session import TorchSession
from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from enhancer_worker.nets.unet_restorer import UNetRestorer, UNetRestorerConfig
from enhancer_worker.nets.zoo import ZooEntry
from shopimg.contract import WeightName


def upscaler(scale: int = 2, seed: int = 0, convolutions: int = 2) -> SRVGG:
    """Return a net whose output depends visibly on its whole receptive field."""
    torch.manual_seed(seed or scale)
    net = SRVGG(SRVGGConfig(scale, channels=16, convolutions=convolutions))
    return net.eval().requires_grad_(False)


def restorer() -> UNetRestorer:
    """Return a net that changes pixels, unlike a freshly initialised one."""
    torch.manual_seed(1)
    net = UNetRestorer(UNetRestorerConfig(channels=(16, 16), blocks=(1, 1)))
    nn.init.normal_(net.tail.weight, std=0.02)
    return net.eval().requires_grad_(False)


def geometry_of(net: SRVGG | UNetRestorer) -> Geometry:
    """Return what the net demands."""
    return Geometry(net.scale, net.halo, net.multiple_of)


def loaded(net: SRVGG | UNetRestorer, session: Session | None = None) -> LoadedNet:
    """Return the net as the engine wants it."""
    session = session or TorchSession(net, device="cpu")
    return LoadedNet("tiny", "0" * 64, geometry_of(net), session)


def _entry(name: str, build: Callable[[], SRVGG | UNetRestorer]) -> ZooEntry:
    net, parts = build(), WeightName.parse(name)
    assert parts is not None
    return ZooEntry(
        name,
        parts.step,
        net.scale,
        net.halo,
        net.multiple_of,
        build,
        tier=parts.tier,
        flavour=parts.flavour,
        net=json.loads(json.dumps(net.describe())),
    )


TINY_ZOO = {
    entry.name: entry
    for entry in (
        _entry("upscale_x2_s", lambda: upscaler(2)),
        _entry("upscale_x3_s", lambda: upscaler(3)),
        _entry("upscale_x4_s", lambda: upscaler(4)),
        _entry("upscale_x2_s_photo", lambda: upscaler(2, seed=12)),
        _entry("upscale_x2_m", lambda: upscaler(2, seed=22, convolutions=3)),
        _entry("restore_s", restorer),
    )
}
"""Stands in for the networks that ship."""


def write_weights(
    folder: Path,
    names: Collection[str] = tuple(TINY_ZOO),
    nets: Mapping[str, ZooEntry] = TINY_ZOO,
) -> Path:
    """Write random weights of some nets and their manifest; without exported files."""
    folder.mkdir(exist_ok=True)
    records = {}
    for name in names:
        entry = nets[name]
        path = folder / f"{name}.safetensors"
        save_file(entry.build().state_dict(), path)
        records[name] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "openvino_sha256": {},
            "parameters": 1,
            "net": entry.net,
            "command": "",
            "data": [],
            "licence": "BSD-3-Clause",
            "metrics": {},
            "date": "2026-01-01",
        }
    (folder / "weights.json").write_text(json.dumps({"weights": records}))
    return folder


def export_weights(folder: Path, nets: Mapping[str, ZooEntry]) -> Path:
    """Add the files that a worker loads without converting anything, as the shipped folder has."""
    manifest = folder / "weights.json"
    listed = json.loads(manifest.read_text())
    for name, entry in nets.items():
        model = convert(entry.build(), entry.multiple_of, entry.input_shape)
        openvino.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
        listed["weights"][name]["openvino_sha256"] = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (folder / f"{name}.xml", folder / f"{name}.bin")
        }
    manifest.write_text(json.dumps(listed))
    return folder
