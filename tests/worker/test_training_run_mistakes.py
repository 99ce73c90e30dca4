"""Mistakes in what a training run is given: told in one line, before it costs anything."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from enhancer_worker.__main__ import main
from enhancer_worker.nets.srvgg import TIERS
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training import checks, evaluate_matting, loop
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.checks import refuse_unwritable
from enhancer_worker.training.cli import finetune_main, train_main
from enhancer_worker.training.data import UnreadablePictureError
from enhancer_worker.training.matting_layers import read_cutout, read_mask
from tests.worker.training_data import write_data, write_picture

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")

OPTIONS = "--hours 0 --max-steps 2 --batch 2 --patch 12 --last-patch 12 --accelerator cpu"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with photographs, where nets are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(TIERS, "s", (16, 1))
    monkeypatch.setitem(TIERS, "m", (16, 3))
    write_data(tmp_path / "data")
    return tmp_path


def train(*options: str) -> int:
    return train_main(["upscaler", "--data", "data", "--out", "out", *OPTIONS.split(), *options])


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--init-from", "data/photos/a/tile_0.png"], "data/photos/a/tile_0.png is no whole .safe"),
        (
            ["--init-from", "restore_s.safetensors"],
            "restore_s.safetensors is of another kind of network: nothing in it fits this one",
        ),
        (
            ["--init-from", "estimate_s.safetensors"],
            "estimate_s.safetensors is of another kind of network: nothing in it fits this one",
        ),
        (["--init-from", "deep.safetensors"], "deep.safetensors is deeper than --net s: "),
        (["--out", "file"], "cannot write into file: file is a file, see --out"),
        (["--out", "file/run"], "cannot write into file/run: "),
        (
            ["--accelerator", "abacus"],
            "--accelerator abacus --devices 1 --strategy auto cannot run",
        ),
        (["--strategy", "dpp"], "--accelerator cpu --devices 1 --strategy dpp cannot run here: "),
    ],
)
def test_train__says_in_a_line_what_it_cannot_start_with(
    options: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").touch()
    for name in ("restore_s", "estimate_s"):
        save_file(zoo_entry(name).build().state_dict(), folder / f"{name}.safetensors")
    deep = zoo_entry("upscale_x2_m").build()
    save_file(deep.state_dict(), folder / "deep.safetensors")
    assert train(*options) == 2
    assert last_line(capsys).startswith(message)
    assert not (folder / "out").exists()


def test_train__says_in_a_line_that_a_run_diverges(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MOST_BROKEN_STEPS", 1)
    rates = ["--learning-rate", "1e30", "--warm-up-steps", "0", "--max-steps", "40"]
    assert train(*rates) == 2
    assert last_line(capsys) == "no finite gradient in 2 steps: lower --learning-rate"


def test_train__says_in_a_line_that_no_mask_fits(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/cutouts").mkdir()
    cut = Image.new("RGBA", (80, 80))
    cut.paste((200, 30, 30, 255), (20, 20, 60, 60))
    cut.save(folder / "data/cutouts/mug.webp")
    argv = ["matting", "--data", "data", "--out", "out", "--labels", "nowhere", "--max-steps", "1"]
    assert train_main(argv) == 2
    assert last_line(capsys) == "no mask in nowhere is of a photograph below data"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare-backdrops", "--data", "data", "--out", "out"], "no pictures in data/backdrops"),
        (["backdrop-sheets", "--data", "data", "--out", "out"], "no prepared pictures in data"),
        (["research", "deep-image-prior", "broken.jpg", "--out", "a.png"], "broken.jpg cannot be"),
    ],
)
def test_command__says_in_a_line_what_it_cannot_read(
    arguments: list[str], message: str, folder: Path
) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith(message)
    assert not list((folder / "out").glob("*"))


def test_evaluate_matting__says_in_a_line_that_there_is_nothing_to_judge(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate_matting.main(["--data", "data"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_train__skips_photographs_that_cannot_be_read(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "data/photos/a/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    assert train() == 0
    assert "skipped: data/photos/a/broken.jpg cannot be read: " in caplog.text
    assert (folder / "out/upscale_x2_s.safetensors").exists()


def test_train__says_in_a_line_that_no_photograph_can_be_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "data/photos/a").iterdir():
        path.write_bytes(b"")
    assert train() == 2
    assert last_line(capsys) == "none of 4 photographs can be read"


@pytest.mark.parametrize(
    ("kind", "last_patch", "side"),
    [("upscaler", 106, 212), ("restorer", 100, 132), ("estimator", 104, 136), ("blur", 104, 136)],
)
def test_train__says_in_a_line_that_photographs_are_too_small(
    kind: str, last_patch: int, side: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patches = ["--patch", "96", "--last-patch", str(last_patch)]
    assert train_main([kind, "--data", "data", "--out", "out", *OPTIONS.split(), *patches]) == 2
    assert last_line(capsys) == f"no photograph has {side} pixels on each side"


@pytest.mark.parametrize("read", [read_cutout, read_mask])
def test_read__names_a_cutout_that_is_damaged(read: object, folder: Path) -> None:
    (folder / "one.webp").write_bytes(b"RIFF")
    with pytest.raises(UnreadablePictureError, match=r"^one\.webp cannot be read: "):
        read(Path("one.webp"))  # type: ignore[operator]


def test_refuse_unwritable__makes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unwritable(Path("out/of/runs"))
    assert not (folder / "out").exists()
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    with pytest.raises(TrainingArgsError, match=r"cannot write into out: no permission in "):
        refuse_unwritable(Path("out"))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_resume__says_in_a_line_that_the_checkpoint_is_damaged(
    content: bytes | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = folder / "out/last.ckpt"
    assert train() == 0
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert train("--resume") == 2
    assert last_line(capsys).startswith("out/last.ckpt is damaged: begin anew without --resume (")


@pytest.mark.parametrize(
    "options", [["--scale", "3"], ["--net", "m"], ["--optimizer", "muon"], ["--l2", "0.1"]]
)
def test_resume__says_in_a_line_that_the_checkpoint_is_of_another_run(
    options: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    config = (folder / "out/config.yaml").read_bytes()
    assert train("--resume", *options) == 2
    assert last_line(capsys) == (
        "out/last.ckpt is of another network or optimizer: resume with the options that "
        "config.yaml beside it has, or give another --out"
    )
    assert (folder / "out/config.yaml").read_bytes() == config
    torch.save({"global_step": 3}, folder / "out/last.ckpt")
    assert train("--resume") == 2
    assert last_line(capsys).startswith("out/last.ckpt is damaged: ")


def test_finetune__says_in_a_line_that_a_run_had_another_method(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        write_picture(folder / f"shop/product-{number}.png", 50 + number, 200)
    base = zoo_entry("upscale_x2_s").build()
    save_file(base.state_dict(), folder / "upscale_x2_s.safetensors")
    argv = ["--from", "upscale_x2_s.safetensors", "--data", "shop", *OPTIONS.split()]
    argv += ["--out", "out", "--validate-steps", "2"]
    assert finetune_main([*argv, "--method", "full"]) in {0, 1}
    assert finetune_main([*argv, "--resume"]) == 2
    assert last_line(capsys).startswith("out/last.ckpt is of another network or optimizer: ")


def test_read_tiles__tells_bombs_from_photographs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_picture(folder / "data/photos/a/huge.png", 1, 128)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8000)
    assert train() == 0
    assert "skipped: data/photos/a/huge.png cannot be read: Image size" in caplog.text
