"""Decoding: what colour profiles do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.metadata import linear_grey_profile, linear_rgb_profile
from tests.worker.decoding import facts_of, noise, read
from tests.worker.recipe_runs import encoded


def test_decode__converts_a_foreign_profile() -> None:
    content = encoded(Image.new("RGB", (16, 16), (64, 128, 192)), icc_profile=linear_rgb_profile())
    # Linear 64, 128 and 192 of 255 are 137, 188 and 225 in sRGB.
    assert np.abs(read(content).pixels[0, 0].astype(int) - [137, 188, 225]).max() <= 1
    assert facts_of(content)["icc"] == "converted"


def test_decode__keeps_white_and_black_under_a_foreign_profile() -> None:
    for level in (0, 255):
        image = Image.new("RGB", (16, 16), (level,) * 3)
        content = encoded(image, icc_profile=linear_rgb_profile())
        assert (read(content).pixels == level).all()


def test_decode__leaves_srgb_untouched() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(noise(), icc_profile=profile)
    assert np.array_equal(read(content).pixels, np.asarray(noise()))
    assert facts_of(content)["icc"] == "srgb"


@pytest.mark.parametrize(
    "profile",
    [b"not a profile", b"\x00" * 3000, linear_rgb_profile()[:200]],
    ids=["text", "zeros", "cut off"],
)
def test_decode__ignores_a_broken_profile(profile: bytes) -> None:
    content = encoded(noise(), icc_profile=profile)
    assert np.array_equal(read(content).pixels, np.asarray(noise()))
    assert facts_of(content)["icc"] == "ignored"


def test_decode__ignores_a_profile_for_another_kind_of_picture() -> None:
    content = encoded(noise().convert("L"), icc_profile=linear_rgb_profile())
    assert facts_of(content)["icc"] == "ignored"
    assert read(content).grey


@pytest.mark.parametrize("transparency", [{}, {"transparency": 9}], ids=["opaque", "transparent"])
def test_decode__converts_a_profile_for_grey(transparency: dict[str, int]) -> None:
    image = Image.new("L", (16, 16), 64)
    content = encoded(image, icc_profile=linear_grey_profile(), **transparency)
    picture = read(content)
    # Linear 64 of 255 is 137 in sRGB.
    assert np.abs(picture.pixels.astype(int) - 137).max() <= 1
    assert picture.grey
    assert facts_of(content)["icc"] == "converted"
