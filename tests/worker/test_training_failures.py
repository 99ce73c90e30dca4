"""Pictures of where networks fail: the worst first, of every kind of network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training import failures
from enhancer_worker.training.failures import PICTURED, draw_failures, pictures_text
from shopimg.contract import WorkerError
from tests.worker.training_data import write_picture

CATALOGUE = Path(__file__).resolve().parents[2] / "demoshop/catalogue"


def test_draw_failures__shows_the_worst_pictures_first(tmp_path: Path) -> None:
    for number in range(2):
        write_picture(tmp_path / f"photos/{number}.png", number, 170)
    Image.new("RGB", (170, 170), "white").save(tmp_path / "photos/empty.png")
    write_picture(tmp_path / "photos/too_small.png", 3, 120)
    out = tmp_path / "images/upscale_x2_s.jpg"
    draw_failures("upscale_x2_s", SHIPPED_WEIGHTS, tmp_path / "photos", out)
    with Image.open(out) as sheet:
        last = sheet.crop((170, sheet.height - 170, sheet.width, sheet.height - 60)).convert("L")
        first = sheet.crop((170, 50, sheet.width, 190)).convert("L")
        darkest = [int(np.asarray(part).min()) for part in (first, last)]
    assert darkest[0] < 100
    assert darkest[1] > 240
    with pytest.raises(WorkerError):
        draw_failures("upscale_x2_s", SHIPPED_WEIGHTS, tmp_path / "nothing", out)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two products of the demo with their masks."""
    (tmp_path / "masks").mkdir()
    for name in ("flask", "mug"):
        for path in (f"{name}.jpg", f"masks/{name}.png"):
            with Image.open(CATALOGUE / path) as image:
                image.resize((400, 400)).save(tmp_path / path)
    monkeypatch.setattr(failures, "PAINTED_PER_STYLE", 1)
    monkeypatch.setattr(failures, "CROPS_PER_PHOTO", 6)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("estimate_s", 1, PICTURED),
        ("blur_s", 1, PICTURED),
        ("cutout_s", 3, 2),
        ("backdrop_s", 2, PICTURED),
        ("restore_s", 3, 2),
    ],
)
def test_draw_failures__of_every_kind(quick: Path, name: str, columns: int, rows: int) -> None:
    out = quick / "sheet.png"
    assert draw_failures(name, SHIPPED_WEIGHTS, quick, out)
    with Image.open(out) as sheet:
        assert sheet.size == (162 + columns * 172, 52 + rows * 194)
        cells = [
            np.asarray(sheet.crop((left, top, left + 160, top + 160)))
            for left in range(162, sheet.width, 172)
            for top in range(40, sheet.height - 12, 194)
        ]
    # Every cell shows something, and no two cells the same.
    assert all(cell.std() > 2 for cell in cells)
    assert len({cell.tobytes() for cell in cells[:rows]}) == rows
    assert pictures_text(zoo_entry(name)).endswith(".")


def test_draw_failures__has_nothing_to_show_of_products_without_masks(quick: Path) -> None:
    for mask in (quick / "masks").iterdir():
        mask.unlink()
    out = quick / "sheet.png"
    assert not draw_failures("cutout_s", SHIPPED_WEIGHTS, quick, out)
    assert not out.exists()
