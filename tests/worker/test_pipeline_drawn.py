"""Graphics that nothing has damaged are left alone, as they would be by an eye."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.assessment import NOTHING_TO_SEE, assess
from enhancer_worker.pipeline.crops import choose_crops
from enhancer_worker.pipeline.drawn import is_drawn

CATALOGUE = Path(__file__).resolve().parents[2] / "demoshop/catalogue"


def care_label(ground: str) -> Image.Image:
    """Frames, text and a seal, smoothed at their edges as browsers and editors do."""
    image = Image.new("RGB", (2000, 1500), ground)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(88)
    for row, words in enumerate(("250 ml", "100 % wool", "WASH AT 30", "No. 4711-B")):
        top = 60 + row * 340
        draw.rounded_rectangle((60, top, 1300, top + 280), 60, outline="#8bc34a", width=18)
        draw.text((140, top + 80), words, font=font, fill="#c8102e")
    draw.ellipse((1400, 500, 1900, 1000), fill="#003da5")
    return image.resize((500, 375), Image.Resampling.BOX)


def reopened(image: Image.Image, quality: int) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(stream))


def drawn(pixels: NDArray[np.uint8]) -> bool:
    crops = choose_crops(pixels)
    return is_drawn([*crops.detailed, *crops.edges])


@pytest.mark.parametrize("ground", ["#0b3d2e", "#f3e9d2", "white"])
def test_is_drawn__knows_graphics_until_an_encoder_has_damaged_them(ground: str) -> None:
    image = care_label(ground)
    assert drawn(np.asarray(image))
    assert not drawn(reopened(image, 95))
    assert not drawn(reopened(image, 70))


@pytest.mark.parametrize("path", sorted(CATALOGUE.glob("*.jpg")), ids=lambda path: path.stem)
def test_is_drawn__knows_photographs_even_before_white(path: Path) -> None:
    with Image.open(path) as image:
        photo = image.convert("RGB")
    assert not drawn(np.asarray(photo))
    page = Image.new("RGB", (photo.width + 200, photo.height + 200), "white")
    page.paste(photo, (100, 100))
    assert not drawn(np.asarray(page))


def test_is_drawn__takes_more_than_a_few_edges() -> None:
    line = np.full((128, 128, 3), 200, np.uint8)
    line[60, :56] = 20  # seven blocks
    assert not is_drawn([line])
    line[60, :64] = 20
    assert is_drawn([line])
    assert not is_drawn([])


def test_assess__finds_nothing_to_mend_in_what_is_drawn() -> None:
    net = Engine(WorkerConfig(device="cpu", threads=1)).net("estimate", 1)
    image = care_label("#0b3d2e")
    assert assess(net, np.asarray(image)) == NOTHING_TO_SEE
    assert assess(net, reopened(image, 60)) != NOTHING_TO_SEE
