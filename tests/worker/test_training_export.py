"""Export: OpenVINO computes what PyTorch computes, and the manifest says so."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from enhancer_worker.nets.manifest import read_manifest, verified_openvino, verified_weights
from enhancer_worker.nets.zoo import ZOO, zoo_entry
from enhancer_worker.training import export
from enhancer_worker.training.args import UpscalerArgs
from enhancer_worker.training.averages import write_weights
from enhancer_worker.training.cli import export_main
from enhancer_worker.training.config_file import config_header, public_config
from enhancer_worker.training.export import ExportError, export_net


@pytest.fixture
def weights_dir(tmp_path: Path) -> Path:
    """Return a folder with fresh upscaler weights."""
    torch.manual_seed(0)
    net = zoo_entry("upscale_x2_s").build()
    save_file(net.state_dict(), tmp_path / "upscale_x2_s.safetensors")
    return tmp_path


def test_export__records_what_it_wrote(weights_dir: Path) -> None:
    facts = {"upscale_x2_s": {"command": "python -m x", "metrics": {"set5": 1}}}
    (weights_dir / "facts.json").write_text(json.dumps(facts))
    argv = ["upscale_x2_s", "--weights", str(weights_dir)]
    assert export_main([*argv, "--facts", str(weights_dir / "facts.json")]) == 0
    record = read_manifest(weights_dir)["upscale_x2_s"]
    assert verified_weights("upscale_x2_s", weights_dir).exists()
    assert verified_openvino("upscale_x2_s", weights_dir).name == "upscale_x2_s.xml"
    assert record.net == {"net": "srvgg", "scale": 2, "channels": 48, "convolutions": 8}
    assert record.parameters == 172_812
    assert (record.command, record.metrics) == ("python -m x", {"set5": 1})


def test_export__records_the_config_in_the_weights(weights_dir: Path) -> None:
    path = weights_dir / "upscale_x2_s.safetensors"
    args = UpscalerArgs(data=Path("shop/photos"), out=Path("runs/x2"), batch=7)
    write_weights(zoo_entry("upscale_x2_s").build().state_dict(), path, config_header(args))
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir)]) == 0
    recorded = read_manifest(weights_dir)["upscale_x2_s"].config
    assert recorded == public_config(args)
    assert (recorded["batch"], recorded["data"], recorded["out"]) == (7, "photos", "x2")
    save_file(zoo_entry("upscale_x2_s").build().state_dict(), path)
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir)]) == 0
    assert read_manifest(weights_dir)["upscale_x2_s"].config == recorded


def test_write_entry__keeps_what_is_known_and_the_zoo_order(weights_dir: Path) -> None:
    path = weights_dir / "weights.json"
    known = {"restore_s": {"sha256": "0"}, "upscale_x2_s": {"command": "c", "data": [1]}}
    path.write_text(json.dumps({"weights": known}))
    facts = export.known_facts(weights_dir, "upscale_x2_s")
    export.write_entry(weights_dir, ZOO["upscale_x2_s"], [], facts)
    weights = json.loads(path.read_text())["weights"]
    assert list(weights) == ["upscale_x2_s", "restore_s"]
    assert weights["upscale_x2_s"]["command"] == "c"
    assert weights["restore_s"] == {"sha256": "0"}


def test_export__refuses_a_network_that_computes_something_else(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "largest_difference", lambda model, net: 0.5)
    with pytest.raises(ExportError, match=r"upscale_x2_s differs from PyTorch by 0\.5"):
        export_net(ZOO["upscale_x2_s"], weights_dir / "upscale_x2_s.safetensors", weights_dir)
    assert not (weights_dir / "upscale_x2_s.xml").exists()
