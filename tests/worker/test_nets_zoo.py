"""What ships: metadata, digests, quality, and no torch until a network is built."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from enhancer_worker.nets.manifest import (
    SHIPPED_WEIGHTS,
    file_digest,
    read_manifest,
    verified_int8,
    verified_openvino,
    verified_weights,
)
from enhancer_worker.nets.zoo import ZOO, load_net, zoo_entry
from shopimg.contract import WeightName, WorkerError
from tests.worker.tiny_nets import write_weights


def test_zoo__is_importable_without_torch() -> None:
    code = (
        "import sys, enhancer_worker.nets.zoo as zoo;"
        "assert zoo.ZOO['upscale_x2_s'].scale == 2;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'openvino')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ZOO)
def test_zoo__metadata_is_what_the_net_says(name: str) -> None:
    entry = zoo_entry(name)
    net = entry.build()
    assert (net.scale, net.halo, net.multiple_of) == (entry.scale, entry.halo, entry.multiple_of)
    if entry.kind not in ("estimate", "blur") and not entry.is_reference:
        assert entry.net == json.loads(json.dumps(net.describe()))


def test_zoo_entry__names_what_there_is() -> None:
    with pytest.raises(WorkerError, match="no network 'x'; there are upscale_x2_s"):
        zoo_entry("x")


def test_zoo__names_say_what_the_networks_are() -> None:
    steps = {name: entry for name, entry in ZOO.items() if not entry.is_reference}
    for name, entry in steps.items():
        parts = WeightName(entry.kind, entry.scale, entry.tier, entry.flavour)
        assert WeightName.parse(name) == parts
    references = sorted(set(ZOO) - set(steps))
    assert references == ["espcn_x2", "espcn_x3", "espcn_x4", "vdsr_x2", "vdsr_x3", "vdsr_x4"]
    assert [WeightName.parse(name) for name in references] == [None] * 6


@pytest.mark.parametrize("name", read_manifest())
def test_load_net__is_ready_for_inference(name: str) -> None:
    net = load_net(name)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    shape = ZOO[name].input_shape or (3, 32, 32)
    result = net(torch.full((1, *shape), 0.5))
    if ZOO[name].kind == "backdrop":
        assert result.shape == (1, 3, *shape[1:])
        assert torch.isfinite(result).all()
        return
    if ZOO[name].kind in ("estimate", "blur"):
        assert result.shape == (1, {"estimate": 3, "blur": 48}[ZOO[name].kind])
        return
    if ZOO[name].kind == "cutout":
        assert result.shape == (1, 2, 32, 32)
        assert 0 <= float(result.min()) <= float(result.max()) <= 1
        return
    assert result.shape[-1] == 32 * ZOO[name].scale
    inner = result[..., result.shape[-2] // 2, result.shape[-1] // 2]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5), rtol=0, atol=0.02)


def test_load_net__refuses_another_digest(tmp_path: Path) -> None:
    folder = write_weights(tmp_path)
    (folder / "upscale_x2_s.safetensors").write_bytes(b"")
    with pytest.raises(WorkerError, match="has sha256 e3b0c44298fc"):
        load_net("upscale_x2_s", folder)


def test_load_net__refuses_another_layout(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"restore_s\.safetensors does not fit restore_s"):
        load_net("restore_s", write_weights(tmp_path))


def test_verified_weights__refuses_names_that_are_not_listed(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="does not list other; it lists upscale_x2_s, upscale_"):
        verified_weights("other", write_weights(tmp_path))


def test_verified_weights__says_which_file_is_missing(tmp_path: Path) -> None:
    folder = write_weights(tmp_path)
    (folder / "restore_s.safetensors").unlink()
    with pytest.raises(WorkerError, match=r"cannot read .*restore_s\.safetensors"):
        verified_weights("restore_s", folder)


@pytest.mark.parametrize("content", [None, "", "[]", '{"weights": {"a": {}}}', '{"weights": []}'])
def test_read_manifest__refuses_what_it_does_not_understand(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "weights.json").write_text(content)
    with pytest.raises(WorkerError, match=r"weights\.json"):
        read_manifest(tmp_path)


def test_manifest__lists_exactly_the_shipped_files() -> None:
    listed, records = {"weights.json"}, read_manifest()
    for record in records.values():
        listed |= set(record.files)
    assert {path.name for path in SHIPPED_WEIGHTS.iterdir()} == listed
    assert list(records) == [name for name in ZOO if name in records]


@pytest.mark.parametrize("name", read_manifest())
def test_manifest__digests_match_the_files(name: str) -> None:
    record = read_manifest()[name]
    assert file_digest(verified_weights(name)) == record.sha256
    if ZOO[name].is_reference:
        assert (record.openvino_sha256, record.int8) == ({}, None)
        return
    assert verified_openvino(name).exists()
    assert set(record.openvino_sha256) == {f"{name}.xml", f"{name}.bin"}
    if record.int8 is not None:
        assert verified_int8(name) == SHIPPED_WEIGHTS / f"{name}.int8.xml"
        assert set(record.int8.sha256) == {f"{name}.int8.xml", f"{name}.int8.bin"}
        assert record.int8.chosen is (record.int8.loss_db <= 0.05)


@pytest.mark.parametrize("name", read_manifest())
def test_manifest__tells_where_weights_come_from(name: str) -> None:
    record = read_manifest()[name]
    net = zoo_entry(name).build()
    assert record.net == json.loads(json.dumps(net.describe()))
    assert record.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert record.command.startswith("python -m enhancer_worker train ")
    assert all(source["name"] and source["licence"] for source in record.data)
    assert record.data


def test_manifest__weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_WEIGHTS.iterdir()) < 64_000_000


def test_manifest__quality_meets_the_bars() -> None:
    names = ("upscale_x2_s", "upscale_x4_s", "restore_s")
    x2, x4, restore = (read_manifest()[name].metrics for name in names)
    assert x2["set5"]["x2"]["psnr_y"] >= 36.8
    assert x2["b100"]["x2"]["psnr_y"] >= 31.4
    assert x2["set5"]["x2"]["min_gain_over_bicubic"] > 0
    assert x4["set5"]["x4"]["min_gain_over_bicubic"] > 0
    assert restore["cbsd68"]["sigma25"]["psnr_rgb"] >= 29.5
    assert restore["live1"]["q20"]["gain"] >= 0.7


def test_zoo__entries_can_be_keys() -> None:
    assert len(set(ZOO.values())) == len(ZOO)
