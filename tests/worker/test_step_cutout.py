"""The cut-out step: who finds the product, what is kept, and what is said when nobody can."""

import dataclasses
import hashlib
import sys
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.cutout import cutout, read_mask
from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import (
    Cutout,
    Deadline,
    MaskError,
    ProductNotFoundError,
    RecipeError,
    WorkerError,
)
from tests.worker.recipe_runs import png


class RedIsProduct:
    """A session that takes what is red for the product."""

    device = "cpu (numpy)"
    largest_batch = 1

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        alpha = (batch[:, :1] > batch[:, 2:]).astype(np.float32)
        return np.concatenate([alpha, np.zeros_like(alpha)], axis=1)

    def close(self) -> None:
        pass


class OneNet:
    """An engine that has our network and nothing else."""

    def net(self, kind: str, scale: int) -> LoadedNet:
        assert (kind, scale) == ("cutout", 1)
        return LoadedNet("cutout_s", "5" * 64, Geometry(1, 0, 32), RedIsProduct())


def tools(**masks: bytes) -> Tools:
    return Tools(cast(Engine, OneNet()), Deadline(60), masks)


def picture(colour: tuple[int, int, int] = (210, 30, 30)) -> Picture:
    image = Image.new("RGB", (160, 120), (40, 80, 200))
    ImageDraw.Draw(image).rectangle((40, 30, 110, 90), fill=colour)
    return Picture(np.array(image))


def silhouette() -> NDArray[np.uint8]:
    alpha = np.zeros((120, 160), np.uint8)
    alpha[30:91, 40:111] = 255
    return alpha


def test_cutout__our_network_finds_the_product() -> None:
    upload = picture()
    outcome = cutout(upload, Cutout(), tools())
    alpha = outcome.picture.alpha
    assert alpha is not None
    assert alpha[60, 75] == 255
    assert alpha[10, 10] == 0
    assert outcome.mask is alpha
    opaque = alpha == 255
    np.testing.assert_array_equal(outcome.picture.pixels[opaque], upload.pixels[opaque])
    assert upload.alpha is None
    assert outcome.weights == {"cutout_s": "5" * 64}
    assert outcome.details["network"] == "cutout_s"
    assert outcome.quality["cutout_confidence"] > 0.5
    assert outcome.quality["cutout_share"] == pytest.approx(71 * 61 / (160 * 120), abs=0.02)


def test_cutout__keeps_the_transparency_of_an_upload_that_is_cut_out() -> None:
    upload = dataclasses.replace(picture(), alpha=silhouette())
    outcome = cutout(upload, Cutout(), tools())
    assert outcome.picture is upload
    assert outcome.mask is upload.alpha
    assert outcome.details == {"skipped": "already transparent"}


@pytest.mark.parametrize("level", [0, 254])
def test_cutout__is_not_switched_off_by_a_stray_pixel(level: int) -> None:
    photo = picture()
    alpha = np.full((120, 160), 255, np.uint8)
    alpha[0, 0] = level
    outcome = cutout(dataclasses.replace(photo, alpha=alpha), Cutout(), tools())
    expected = cutout(photo, Cutout(), tools())
    np.testing.assert_array_equal(outcome.mask, expected.mask)
    np.testing.assert_array_equal(outcome.picture.pixels[1:, 1:], expected.picture.pixels[1:, 1:])
    assert outcome.quality["cutout_confidence"] > 0.5


def test_cutout__lays_a_veiled_photo_on_white_before_it_looks() -> None:
    upload = dataclasses.replace(picture(), alpha=np.full((120, 160), 128, np.uint8))
    outcome = cutout(upload, Cutout(), tools())
    assert outcome.picture.alpha is not None
    assert outcome.picture.alpha[60, 75] == 255
    # Half of it and half of white: 0.5 * 210 + 0.5 * 255 in red.
    assert outcome.picture.pixels[60, 75].tolist() == [232, 142, 142]
    assert upload.pixels[60, 75].tolist() == [210, 30, 30]


def test_cutout__says_when_there_is_no_product_and_what_to_do() -> None:
    with pytest.raises(ProductNotFoundError) as caught:
        cutout(picture((40, 80, 200)), Cutout(), tools())
    assert caught.value.public_message == (
        "No product was found in this photo. Upload one that shows it whole and apart from its "
        "background, or use a recipe without a cut-out."
    )


def test_cutout__says_when_everything_is_transparent() -> None:
    upload = dataclasses.replace(picture(), alpha=np.zeros((120, 160), np.uint8))
    with pytest.raises(ProductNotFoundError):
        cutout(upload, Cutout(), tools())


def test_cutout__a_corrected_mask_replaces_the_network() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[:, :40] = 255
    content = png(mask)
    digest = hashlib.sha256(content).hexdigest()
    outcome = cutout(picture(), Cutout(mask=digest), tools(**{digest: content}))
    assert outcome.mask is not None
    assert outcome.mask.shape == (120, 160)
    assert (outcome.mask[:, :74] == 255).all()
    assert (outcome.mask[:, 86:] == 0).all()
    assert outcome.weights == {}
    assert outcome.quality["cutout_confidence"] == 1
    assert outcome.details["mask"] == digest


def test_cutout__a_corrected_mask_counts_more_than_transparency() -> None:
    content = png(np.full((120, 160), 255, np.uint8))
    digest = hashlib.sha256(content).hexdigest()
    upload = dataclasses.replace(picture(), alpha=silhouette())
    outcome = cutout(upload, Cutout(mask=digest), tools(**{digest: content}))
    assert outcome.picture.alpha is not None
    assert (outcome.picture.alpha == 255).all()


def test_cutout__a_corrected_mask_lays_a_veiled_photo_on_white_too() -> None:
    content = png(np.full((120, 160), 255, np.uint8))
    digest = hashlib.sha256(content).hexdigest()
    upload = dataclasses.replace(picture(), alpha=np.full((120, 160), 128, np.uint8))
    outcome = cutout(upload, Cutout(mask=digest), tools(**{digest: content}))
    assert outcome.picture.pixels[60, 75].tolist() == [232, 142, 142]


def test_cutout__says_when_the_mask_is_missing_or_broken() -> None:
    with pytest.raises(RecipeError, match="did not come with the job"):
        cutout(picture(), Cutout(mask="0" * 64), tools())
    with pytest.raises(RecipeError, match="cannot be read"):
        read_mask(b"nothing", 4, 4)


def test_cutout__says_when_the_mask_is_empty() -> None:
    content = png(np.zeros((120, 160), np.uint8))
    with pytest.raises(MaskError, match="The mask is empty"):
        cutout(picture(), Cutout(mask="0" * 64), tools(**{"0" * 64: content}))


def test_cutout__says_how_to_install_rembg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(WorkerError) as caught:
        cutout(picture(), Cutout(engine="u2netp"), tools())
    assert 'pip install "shopimg[rembg]"' in caught.value.detail
