"""Averaging weights of one network."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from enhancer_worker.training.cli import average_main
from enhancer_worker.training.config_file import CONFIG_KEY, recorded_config


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, values: dict[str, list[float]], dtype: torch.dtype = torch.float32) -> str:
    state = {key: torch.tensor(value, dtype=dtype) for key, value in values.items()}
    save_file(state, name, {CONFIG_KEY: f'{{"seed": "{name}"}}'})
    return name


def averaged(*argv: str) -> dict[str, Tensor]:
    assert average_main([*argv, "--out", "runs/mean.safetensors"]) == 0
    return load_file("runs/mean.safetensors")


def test_average__weighs_by_shares() -> None:
    files = write("a.safetensors", {"x": [1, 2]}), write("b.safetensors", {"x": [3, -2]})
    assert averaged(*files)["x"].tolist() == [2, 0]
    assert averaged(*files, "--shares", "0.75", "0.25")["x"].tolist() == [1.5, 1]


def test_average__keeps_half_precision_without_rounding_twice() -> None:
    values = [1024, 0.75, 0.75]
    files = [
        write(f"{number}.safetensors", {"x": [value]}, torch.float16)
        for number, value in enumerate(values)
    ]
    found = averaged(*files, "--shares", "0.5", "0.25", "0.25")["x"]
    assert found.dtype is torch.float16
    assert found.item() == 512.5  # of 512.375; sums in half precision stay at 512


def test_average__records_what_it_is_made_of() -> None:
    files = write("a.safetensors", {"x": [1]}), write("b.safetensors", {"x": [3]})
    averaged(*files, "--shares", "0.1", "0.9")
    digests = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    assert recorded_config(Path("runs/mean.safetensors")) == {
        "seed": "b.safetensors",
        "average_of": [
            f"0.1 of a.safetensors, sha256 {digests[0]}",
            f"0.9 of b.safetensors, sha256 {digests[1]}",
        ],
    }


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["a.safetensors"], "1 shares for 1 files, of two or more"),
        (["a.safetensors", "b.safetensors", "--shares", "1"], "1 shares for 2 files"),
        (["a.safetensors", "b.safetensors", "--shares", "0.5", "0.6"], "not 0.5 + 0.6"),
        (["a.safetensors", "b.safetensors", "--shares", "1.5", "-0.5"], "not 1.5 + -0.5"),
        (["a.safetensors", "other.safetensors"], "other.safetensors is of another network than a"),
        (["a.safetensors", "longer.safetensors"], "longer.safetensors is of another network"),
        (["a.safetensors", "missing.safetensors"], "there is no file missing.safetensors"),
    ],
)
def test_average__refuses(argv: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("a.safetensors", {"x": [1]})
    write("b.safetensors", {"x": [3]})
    write("other.safetensors", {"y": [3]})
    write("longer.safetensors", {"x": [3, 4]})
    assert average_main([*argv, "--out", "mean.safetensors"]) == 2
    assert reason in capsys.readouterr().err
    assert not Path("mean.safetensors").exists()


def test_average__does_not_replace_what_it_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    files = write("a.safetensors", {"x": [1]}), write("b.safetensors", {"x": [3]})
    with pytest.raises(SystemExit):
        average_main([*files, "--out", "./a.safetensors"])
    assert "would replace what it is made of" in capsys.readouterr().err
    assert load_file("a.safetensors")["x"].item() == 1
