"""8-bit exports: made from real crops, judged on held-out photographs, recorded, repeatable."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import convert
from enhancer_worker.nets import zoo
from enhancer_worker.nets.back_projection import WINDOW_PIXELS
from enhancer_worker.nets.manifest import file_digest, read_manifest, verified_int8
from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from enhancer_worker.training import export, quantize
from enhancer_worker.training.cli import export_main
from tests.worker.tiny_nets import TINY_ZOO
from tests.worker.training_data import write_data, write_picture


@pytest.fixture
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with weights of tiny nets, which exports take for those that ship."""
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    monkeypatch.setattr(export, "ZOO", TINY_ZOO)
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("upscale_x2_s", "restore_s"):
        net = TINY_ZOO[name].build()
        save_file(net.state_dict(), folder / f"{name}.safetensors")
    return folder


def run_export(name: str, weights_dir: Path, data: Path) -> str:
    assert export_main([name, "--weights", str(weights_dir), "--data", str(data)]) == 0
    return (weights_dir / f"{name}.int8.xml").read_text()


def test_export__leaves_out_what_is_too_small_and_cuts_what_is_uneven(
    weights_dir: Path, tmp_path: Path
) -> None:
    data = write_data(tmp_path / "data", 241)
    write_picture(data / "photos/a/tiny_0.png", 9, 20)
    for name in ("upscale_x2_s", "restore_s"):
        assert 'type="FakeQuantize"' in run_export(name, weights_dir, data)


@pytest.mark.parametrize(("name", "side"), [("upscale_x2_s", 100), ("restore_s", 240)])
def test_export__makes_an_int8_version_that_runs(
    name: str, side: int, weights_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = run_export(name, weights_dir, write_data(tmp_path / "data", side))
    assert 'type="FakeQuantize"' in graph
    assert 'element_type="i8"' in graph
    record = read_manifest(weights_dir)[name].int8
    assert record is not None
    assert verified_int8(name, weights_dir) == weights_dir / f"{name}.int8.xml"
    told = rf"{name}: .*; int8 loses \d\.\d{{3}} dB at most: not chosen: 5 photographs are too few"
    assert re.search(told, capsys.readouterr().out)
    config = WorkerConfig(weights_dir=weights_dir, device="cpu", threads=1, precision="int8")
    entry = TINY_ZOO[name]
    net = Engine(config, {name: entry}).net(entry.kind, entry.scale, entry.flavour)
    lq = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = entry.build()(lq)
    error = float((torch.from_numpy(net.session(lq.numpy())) - expected).abs().max())
    assert 0 < error < 0.1  # quantised, and still the same network


def test_quantize__keeps_the_back_projection_in_fp32() -> None:
    torch.manual_seed(0)
    net = SRVGG(SRVGGConfig(2, 16, 1, back_projection=True)).eval()
    model = convert(net, 1)
    crops = [np.random.default_rng(0).random((1, 3, 32, 32), np.float32)]
    quantized = quantize.quantize(model, crops, quantize.PLAIN)
    rounded = {
        op.input(1).get_partial_shape()[-1].get_length(): op.input_value(0).get_node()
        for op in quantized.get_ordered_ops()
        if op.get_type_name() == "Convolution"
    }
    assert rounded[3].get_type_name() == "FakeQuantize"
    assert rounded[WINDOW_PIXELS].get_type_name() != "FakeQuantize"


def test_export__takes_a_shop_folder_of_any_layout(weights_dir: Path, tmp_path: Path) -> None:
    for number in range(6):
        write_picture(tmp_path / f"shop/shelf/product-{number}.png", 50 + number, 220)
    graph = run_export("upscale_x2_s", weights_dir, tmp_path / "shop")
    assert 'type="FakeQuantize"' in graph
    made = json.loads((weights_dir / "weights.json").read_text())["weights"]["upscale_x2_s"]
    assert list(made["int8"]["losses_db"]) == ["x2"]
    assert not made["int8"]["chosen"]
    assert made["int8"]["objection"].startswith("6 photographs are too few to tell")


def test_held_out_pairs__judge_whole_tiles_of_the_restorer() -> None:
    photos = [np.full((384, 384, 3), number, np.uint8) for number in range(14)]
    pairs = quantize.held_out_pairs(TINY_ZOO["restore_s"], photos)
    assert len(pairs) == 14 * 6
    assert {tuple(pair.gt.shape) for pair in pairs} == {(1, 3, 384, 384)}


def test_export__is_repeatable(weights_dir: Path, tmp_path: Path) -> None:
    data = quantize.read_material(write_data(tmp_path / "data"))
    entry = TINY_ZOO["upscale_x2_s"]
    files = export.export_net(entry, weights_dir / "upscale_x2_s.safetensors", weights_dir)
    first = quantize.export_int8(entry, files[0], data)
    weights = (weights_dir / "upscale_x2_s.int8.bin").read_bytes()
    assert quantize.export_int8(entry, files[0], data)["losses_db"] == first["losses_db"]
    assert (weights_dir / "upscale_x2_s.int8.bin").read_bytes() == weights


def test_export__mutes_no_handler_of_others(weights_dir: Path, tmp_path: Path) -> None:
    nncf, handler = logging.getLogger("nncf"), logging.NullHandler()
    nncf.addHandler(handler)
    try:
        run_export("upscale_x2_s", weights_dir, write_data(tmp_path / "data"))
    finally:
        nncf.removeHandler(handler)
    assert handler.level == logging.NOTSET


def test_export__keeps_the_int8_version_of_the_same_weights_only(
    weights_dir: Path, tmp_path: Path
) -> None:
    name = "upscale_x2_s"
    run_export(name, weights_dir, write_data(tmp_path / "data"))
    made = json.loads((weights_dir / "weights.json").read_text())["weights"][name]["int8"]
    assert export_main([name, "--weights", str(weights_dir)]) == 0
    kept = json.loads((weights_dir / "weights.json").read_text())["weights"][name]["int8"]
    assert kept == made
    weights = TINY_ZOO[name].build().state_dict()
    save_file(
        {key: value * 0.5 for key, value in weights.items()},
        path := weights_dir / f"{name}.safetensors",
    )
    assert export_main([name, "--weights", str(weights_dir)]) == 0
    record = read_manifest(weights_dir)[name]
    assert (record.sha256, record.int8) == (file_digest(path), None)
    assert not list(weights_dir.glob("*.int8.*"))


def test_export__keeps_no_int8_version_of_the_network_as_it_was_before(
    weights_dir: Path, tmp_path: Path
) -> None:
    name = "upscale_x2_s"
    run_export(name, weights_dir, write_data(tmp_path / "data"))
    manifest = weights_dir / "weights.json"
    facts = json.loads(manifest.read_text())
    facts["weights"][name]["net"]["convolutions"] += 1
    facts["weights"][name]["licence"] = "ours"
    manifest.write_text(json.dumps(facts))
    assert export_main([name, "--weights", str(weights_dir)]) == 0
    record = read_manifest(weights_dir)[name]
    assert record.int8 is None
    assert json.loads(manifest.read_text())["weights"][name]["licence"] == "ours"
    assert not list(weights_dir.glob("*.int8.*"))


@pytest.mark.parametrize(
    ("losses", "photographs", "objection"),
    [
        ([0.2, 0.04], 12, None),
        ([0.2, 0.06], 12, "it loses more than 0.05 dB"),
        ([0.2, 0.04], 11, "11 photographs are too few to tell, at least 12 are needed"),
    ],
)
def test_export__takes_the_first_variant_that_loses_little(
    losses: list[float],
    photographs: int,
    objection: str | None,
    weights_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = iter([{"x2": 30.0}, *({"x2": 30.0 - loss} for loss in losses)])
    monkeypatch.setattr(quantize, "scores", lambda entry, model, pairs: next(scores))
    entry = TINY_ZOO["upscale_x2_s"]
    files = export.export_net(entry, weights_dir / "upscale_x2_s.safetensors", weights_dir)
    for number in range(5, photographs):
        write_picture(tmp_path / f"data/photos/b/more-{number}.png", number, 100)
    material = quantize.read_material(write_data(tmp_path / "data"))
    made = quantize.export_int8(entry, files[0], material)
    assert made["loss_db"] == pytest.approx(losses[-1])
    assert (made["chosen"], made.get("objection")) == (objection is None, objection)
    assert made["quantised"] == "ends in fp32"


def test_calibration_crops__are_of_photographs_that_do_not_judge(tmp_path: Path) -> None:
    def read(path: Path) -> quantize.Tile:
        assert path.name == "training"
        return np.zeros((240, 240, 3), np.uint8)

    material = quantize.Material([Path("training")], [Path("judging")], read)
    assert quantize.calibration_crops(TINY_ZOO["upscale_x2_s"], material)


@pytest.mark.parametrize(("second", "loss"), [((0.03, 0.04), 0.04), ((0.0, 0.3), 0.2)])
def test_export__takes_the_variant_that_loses_least_where_it_loses_most(
    weights_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: tuple[float, float],
    loss: float,
) -> None:
    losses = iter([(0.0, 0.0), (0.01, 0.2), second])

    def scores(*_: object) -> dict[str, float]:
        return {kind: 30 - lost for kind, lost in zip("ab", next(losses), strict=True)}

    monkeypatch.setattr(quantize, "scores", scores)
    entry = TINY_ZOO["upscale_x2_s"]
    files = export.export_net(entry, weights_dir / "upscale_x2_s.safetensors", weights_dir)
    material = quantize.read_material(write_data(tmp_path / "data"))
    assert quantize.export_int8(entry, files[0], material)["loss_db"] == pytest.approx(loss)
