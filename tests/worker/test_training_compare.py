"""Comparing two methods: the sheet, the figures, and what cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.cli import compare_main
from enhancer_worker.training.compare import find_method, find_pair
from enhancer_worker.training.contact_sheet import (
    HEADER_HEIGHT,
    LABEL_WIDTH,
    MARGIN,
    Cell,
    Row,
    difference,
    draw_sheet,
    liveliest_window,
)
from enhancer_worker.training.data import read_tile, to_tensor
from enhancer_worker.training.degradations import shrink
from shopimg.contract import WorkerError
from tests.worker.training_data import write_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(2):
        write_picture(tmp_path / f"photos/{number}.png", number, 96)
    return tmp_path / "photos"


def test_compare__measures_and_draws(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = photos.parent / "made/sheet.png"
    argv = ["bicubic", "lanczos", "--scale", "2", "--data", str(photos), "--side", "64"]
    assert compare_main([*argv, "--out", str(out), "--threads", "1"]) == 0
    found = json.loads(out.with_suffix(".json").read_text())
    assert sorted(found["images"]) == ["0.png", "1.png"]
    per_image = [found["images"][name]["A"]["psnr_y"] for name in ("0.png", "1.png")]
    assert found["mean"]["A"]["psnr_y"] == pytest.approx(np.mean(per_image), abs=1e-4)
    assert found["mean"]["psnr_between"] > found["mean"]["B"]["psnr_y"] > 15
    table = capsys.readouterr().out
    assert table == out.with_suffix(".md").read_text()
    assert "| picture | psnr_y A | psnr_y B | ssim_y A | ssim_y B | A to B, dB |" in table
    with Image.open(out) as sheet:
        assert sheet.width == LABEL_WIDTH + MARGIN + 5 * (64 + MARGIN)


def test_compare__takes_a_folder_of_any_layout(photos: Path) -> None:
    write_picture(photos / "shelf/0.PNG", 7, 64)
    out = photos.parent / "sheet.png"
    argv = ["bicubic", "lanczos", "--scale", "2", "--data", str(photos.parent), "--side", "32"]
    assert compare_main([*argv, "--out", str(out)]) == 0
    found = json.loads(out.with_suffix(".json").read_text())
    assert list(found["images"]) == ["photos/0.png", "photos/1.png", "photos/shelf/0.PNG"]


def test_compare__needs_no_truth(photos: Path) -> None:
    out = photos.parent / "sheet.png"
    argv = ["lanczos", "lanczos", "--scale", "2", "--images", str(photos / "0.png")]
    assert compare_main([*argv, "--out", str(out), "--side", "500"]) == 0
    found = json.loads(out.with_suffix(".json").read_text())
    assert found["images"] == {"0.png": {"A": {}, "B": {}, "psnr_between": 100.0}}
    with Image.open(out) as sheet:
        assert sheet.width == LABEL_WIDTH + MARGIN + 4 * (192 + MARGIN)


def test_compare__takes_files_of_either_kind(photos: Path) -> None:
    torch.manual_seed(0)
    save_file(zoo_entry("upscale_x2_s").build().state_dict(), photos.parent / "tuned.safetensors")
    first, second = find_pair(
        str(photos.parent / "tuned.safetensors"), "bicubic", None, "upscale_x2_s"
    )
    assert (first.scale, second.scale) == (2, 2)
    assert first.name == f"{photos.parent.name}/tuned.safetensors"
    assert first.run(torch.rand(1, 3, 9, 7)).shape == (1, 3, 18, 14)
    restore = find_method("restore_s", 1)
    assert restore.run(torch.rand(1, 3, 9, 7)).shape == (1, 3, 9, 7)


def test_find_method__lanczos_restores_what_was_shrunk(photos: Path) -> None:
    gt = to_tensor([read_tile(photos / "0.png")])
    large = find_method("lanczos", 2).run(shrink(gt, 2))
    assert large.shape == gt.shape
    assert float((large - gt).abs().mean()) < 0.08


@pytest.mark.parametrize(
    ("pair", "scale", "detail"),
    [
        (("bicubic", "lanczos"), None, "need one scale, not none: give --scale"),
        (("upscale_x2_s", "upscale_x4_s"), None, "need one scale, not 2 and 4"),
        (("input", "upscale_x2_s"), None, "need one scale, not 1 and 2"),
        (("upscale_x2_s", "bicubic"), 3, "need one scale, not 2 and 3"),
        (("upscale_x9", "bicubic"), 2, "no network 'upscale_x9'"),
    ],
)
def test_find_pair__refuses_what_differs_in_size(
    pair: tuple[str, str], scale: int | None, detail: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        find_pair(*pair, scale)
    assert detail in caught.value.detail


def test_compare__says_what_is_missing(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["bicubic", "lanczos", "--scale", "2", "--out", str(photos.parent / "sheet.png")]
    (photos.parent / "empty").mkdir()
    assert compare_main([*argv, "--data", str(photos.parent / "empty")]) == 2
    assert compare_main([*argv, "--data", str(photos), "--case", "sigma15"]) == 2
    told = capsys.readouterr().err
    assert f"no pictures in {photos.parent / 'empty'}" in told
    assert "no case sigma15 for a scale of 2" in told
    assert not (photos.parent / "sheet.png").exists()


def test_liveliest_window__finds_the_difference() -> None:
    first = torch.zeros(1, 3, 64, 80)
    second = first.clone()
    second[..., 40:44, 60:64] = 1
    top, left = liveliest_window(first, second, 16)
    assert top <= 40 <= 44 <= top + 16
    assert left <= 60 <= 64 <= left + 16


def test_draw_sheet__puts_every_picture_in_its_cell() -> None:
    shades = [Cell(torch.full((1, 3, 20, 20), value / 255), "") for value in (10, 120, 250)]
    rows = [Row("a very long name of a photograph.jpg", "", (cell, cell)) for cell in shades]
    sheet = draw_sheet(["one", "two"], rows, 20)
    step = (20 + MARGIN, 20 + 22 + MARGIN)
    found = [
        sheet.getpixel((LABEL_WIDTH + MARGIN + x * step[0] + 10, HEADER_HEIGHT + y * step[1] + 10))
        for y in range(3)
        for x in range(2)
    ]
    assert found == [(v, v, v) for v in (10, 10, 120, 120, 250, 250)]
    label = np.asarray(sheet.crop((LABEL_WIDTH, HEADER_HEIGHT, LABEL_WIDTH + MARGIN, 150)))
    assert np.unique(label).tolist() == [255]


def test_difference__is_grey_where_nothing_differs() -> None:
    first = torch.tensor([0.2, 0.2, 0.2])
    second = torch.tensor([0.2, 0.1625, 0.5])
    torch.testing.assert_close(difference(first, second), torch.tensor([0.5, 0.8, 0.0]))
