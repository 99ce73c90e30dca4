"""Export: OpenVINO computes what PyTorch computes, and the manifest says so."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from enhancer_worker.nets.manifest import (
    file_digest,
    read_manifest,
    verified_openvino,
    verified_weights,
)
from enhancer_worker.nets.zoo import ZOO, zoo_entry
from enhancer_worker.training import export
from enhancer_worker.training.adapters import (
    adapter_header,
    adapter_state,
    add_adapters,
    plain_state,
)
from enhancer_worker.training.args import FinetuneArgs, UpscalerArgs
from enhancer_worker.training.averages import write_weights
from enhancer_worker.training.cli import export_main, train_main
from enhancer_worker.training.config_file import config_header
from enhancer_worker.training.export import ExportError, export_net
from tests.worker.training_data import write_data


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
    assert record.net == zoo_entry("upscale_x2_s").net
    assert record.parameters == 172_812
    assert (record.command, record.metrics) == ("python -m x", {"set5": 1})


def test_export__records_a_reference_without_making_it_run(tmp_path: Path) -> None:
    save_file(zoo_entry("espcn_x2").build().state_dict(), tmp_path / "espcn_x2.safetensors")
    assert export_main(["espcn_x2", "--weights", str(tmp_path)]) == 0
    record = read_manifest(tmp_path)["espcn_x2"]
    assert verified_weights("espcn_x2", tmp_path).exists()
    assert (record.openvino_sha256, record.int8) == ({}, None)
    assert list(tmp_path.glob("*.xml")) == []


def test_export__records_the_config_in_the_weights(weights_dir: Path) -> None:
    path = weights_dir / "upscale_x2_s.safetensors"
    args = UpscalerArgs(data=Path("shop/photos"), out=Path("runs/x2"), batch=7)
    write_weights(zoo_entry("upscale_x2_s").build().state_dict(), path, config_header(args))
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir)]) == 0
    recorded = read_manifest(weights_dir)["upscale_x2_s"].config
    assert (recorded["batch"], recorded["data"], recorded["out"]) == (7, "photos", "x2")


@pytest.mark.filterwarnings("ignore")  # Lightning warns about this machine, and about its own
def test_export__records_the_config_of_a_training(tmp_path: Path) -> None:
    runs, weights_dir = tmp_path / "runs", tmp_path / "weights"
    weights_dir.mkdir()
    options = "--max-steps 2 --batch 2 --patch 12 --last-patch 12 --hours 0 --accelerator cpu"
    folders = ["--data", str(write_data(tmp_path / "photos")), "--out", str(runs)]
    assert train_main(["upscaler", *folders, *options.split()]) == 0
    shutil.copy(runs / "upscale_x2_s.safetensors", weights_dir)
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir)]) == 0
    config = read_manifest(weights_dir)["upscale_x2_s"].config
    assert config.keys() == {field.name for field in fields(UpscalerArgs)} | {"steps_done"}
    assert (config["steps_done"], config["data"], config["out"]) == (2, "photos", "runs")


def recorded(weights_dir: Path) -> dict[str, object]:
    return json.loads((weights_dir / "weights.json").read_text())["weights"]["upscale_x2_s"]


KNOWN = {
    "command": "python -m x",
    "data": [{"name": "photos", "licence": "CC0-1.0"}],
    "metrics": {"set5": {"x2": {"psnr_y": 37.1}}},
    "date": "2020-02-02",
    "licence": "MIT",
    "config": {"batch": 7},
}


def test_export__keeps_what_is_known_of_the_same_weights(weights_dir: Path) -> None:
    facts = weights_dir / "facts.json"
    facts.write_text(json.dumps({"upscale_x2_s": KNOWN}))
    argv = ["upscale_x2_s", "--weights", str(weights_dir)]
    assert export_main([*argv, "--facts", str(facts)]) == 0
    assert export_main(argv) == 0
    assert {key: recorded(weights_dir)[key] for key in KNOWN} == KNOWN


def test_export__forgets_what_is_known_of_other_weights(weights_dir: Path) -> None:
    facts = weights_dir / "facts.json"
    facts.write_text(json.dumps({"upscale_x2_s": KNOWN}))
    argv = ["upscale_x2_s", "--weights", str(weights_dir)]
    assert export_main([*argv, "--facts", str(facts)]) == 0
    other = zoo_entry("upscale_x2_s").build().state_dict()
    save_file(other, weights_dir / "upscale_x2_s.safetensors")
    assert export_main(argv) == 0
    found = recorded(weights_dir)
    assert found.pop("date") != "2020-02-02"
    assert {key: found[key] for key in KNOWN if key in found} == {
        "command": "",
        "data": [],
        "metrics": {},
        "licence": "not recorded",
        "config": {},
    }


def test_export__halves_the_files_and_keeps_what_is_known(weights_dir: Path) -> None:
    argv = ["upscale_x2_s", "--weights", str(weights_dir)]
    path = weights_dir / "upscale_x2_s.safetensors"
    (weights_dir / "facts.json").write_text(json.dumps({"upscale_x2_s": {"licence": "CC0"}}))
    assert export_main([*argv, "--facts", str(weights_dir / "facts.json")]) == 0
    files = (path, weights_dir / "upscale_x2_s.bin")
    before, full = load_file(path), [file.stat().st_size for file in files]
    assert export_main([*argv, "--half"]) == 0
    halved = load_file(path)
    assert {value.dtype for value in halved.values()} == {torch.float16}
    assert all(torch.equal(halved[key], before[key].half()) for key in before)
    assert all(f.stat().st_size < 0.52 * size for f, size in zip(files, full, strict=True))
    assert verified_weights("upscale_x2_s", weights_dir) == path
    assert read_manifest(weights_dir)["upscale_x2_s"].licence == "CC0"


def test_export__refuses_to_halve_what_would_become_infinite(
    weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = weights_dir / "upscale_x2_s.safetensors"
    state = load_file(path)
    next(iter(state.values())).view(-1)[0] = 1e5
    save_file(state, path)
    kept = path.read_bytes()
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir), "--half"]) == 2
    assert "beyond half precision" in capsys.readouterr().err
    assert path.read_bytes() == kept


def test_export__keeps_the_weights_where_half_of_them_fails(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights_dir / "upscale_x2_s.safetensors"
    kept = path.read_bytes()
    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", -1.0)
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir), "--half"]) == 2
    assert path.read_bytes() == kept
    assert list(weights_dir.iterdir()) == [path]


def test_export__keeps_the_other_entries_in_the_order_of_the_zoo(weights_dir: Path) -> None:
    path = weights_dir / "weights.json"
    path.write_text(json.dumps({"weights": {"restore_s": {"sha256": "0"}}}))
    assert export_main(["upscale_x2_s", "--weights", str(weights_dir)]) == 0
    weights = json.loads(path.read_text())["weights"]
    assert list(weights) == ["upscale_x2_s", "restore_s"]
    assert weights["restore_s"] == {"sha256": "0"}


def test_export__folds_adapters_into_their_base(weights_dir: Path) -> None:
    path, adapters = weights_dir / "upscale_x2_s.safetensors", weights_dir / "a.safetensors"
    tuned = zoo_entry("upscale_x2_s").build()
    tuned.load_state_dict(load_file(path))
    add_adapters(tuned, 2)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    header = adapter_header("upscale_x2_s", file_digest(path))
    args = FinetuneArgs(from_="upscale_x2_s", data=Path("shop"), out=Path("runs"), adapter_rank=2)
    write_weights(adapter_state(tuned), adapters, config_header(args) | header)
    argv = ["upscale_x2_s", "--weights", str(weights_dir), "--adapters", str(adapters)]
    assert export_main(argv) == 0
    folded = load_file(path)
    for key, value in plain_state(tuned).items():
        torch.testing.assert_close(folded[key], value, rtol=0, atol=1e-6)
    assert verified_openvino("upscale_x2_s", weights_dir).exists()
    config = read_manifest(weights_dir)["upscale_x2_s"].config
    assert (config["from"], config["adapter_rank"]) == ("upscale_x2_s", 2)


def test_export__refuses_adapters_of_other_weights(
    weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, adapters = weights_dir / "upscale_x2_s.safetensors", weights_dir / "a.safetensors"
    write_weights({}, adapters, adapter_header("upscale_x2_s", "1" * 64))
    before = path.read_bytes()
    argv = ["--weights", str(weights_dir), "--adapters", str(adapters)]
    assert export_main(["upscale_x2_s", *argv]) == 2
    assert capsys.readouterr().err == (f"{adapters} belongs to upscale_x2_s, of another digest\n")
    assert path.read_bytes() == before
    with pytest.raises(SystemExit) as caught:
        export_main(argv)
    assert caught.value.code == 2


def test_export__says_in_a_line_that_there_are_no_photographs(
    weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = weights_dir / "nowhere"
    argv = ["upscale_x2_s", "--weights", str(weights_dir), "--data", str(nowhere)]
    assert export_main(argv) == 2
    assert capsys.readouterr().err == f"no photographs below {nowhere}\n"
    assert not (weights_dir / "upscale_x2_s.xml").exists()


def test_export__refuses_a_network_that_computes_something_else(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "largest_difference", lambda model, net, shapes: 0.5)
    with pytest.raises(ExportError, match=r"upscale_x2_s differs from PyTorch by 0\.5"):
        export_net(ZOO["upscale_x2_s"], weights_dir / "upscale_x2_s.safetensors", weights_dir)
    assert not (weights_dir / "upscale_x2_s.xml").exists()


def test_export__refuses_a_network_whose_weights_are_no_numbers(weights_dir: Path) -> None:
    path = weights_dir / "upscale_x2_s.safetensors"
    state = load_file(path)
    next(iter(state.values())).view(-1)[0] = torch.nan
    save_file(state, path)
    with pytest.raises(ExportError, match="differs from PyTorch by inf"):
        export_net(ZOO["upscale_x2_s"], path, weights_dir)


def test_is_half__takes_all_numbers_to_have_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "mixed.safetensors"
    save_file({"a": torch.zeros(2), "b": torch.zeros(2).half()}, path)
    assert not export._is_half(path)
