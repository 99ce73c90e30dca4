"""A shop's photographs: which are fit for training, and which are held out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from enhancer_worker.training import catalogue
from enhancer_worker.training.catalogue import (
    Fitness,
    TooFewPhotosError,
    UnfitPhotoError,
    jpeg_quality,
    read_catalogue,
    read_photo,
    split_catalogue,
    split_in_three,
)
from tests.worker.training_data import write_picture


def test_read_catalogue__skips_with_a_reason(tmp_path: Path) -> None:
    write_picture(tmp_path / "a/good.png", 1, 220)
    write_picture(tmp_path / "other.webp", 2, 220)
    write_picture(tmp_path / "small.png", 3, 90)
    with Image.open(tmp_path / "a/good.png") as good:
        good.save(tmp_path / "b-again.jpg", quality=90)
        good.save(tmp_path / "c-bad.jpg", quality=40)
    write_picture(tmp_path / "soft.png", 4, 110)
    with Image.open(tmp_path / "soft.png") as soft:
        soft.resize((220, 220), Image.Resampling.BICUBIC).save(tmp_path / "soft.png")
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "b-again.jpg").read_bytes()[:3000])
    (tmp_path / "notes.txt").write_text("not a picture")
    catalogue = read_catalogue(tmp_path, Fitness())
    assert [path.name for path in catalogue.photos] == ["good.png", "other.webp"]
    reasons = {path.name: reason.partition(":")[0] for path, reason in catalogue.skipped.items()}
    assert reasons == {
        "b-again.jpg": "near-duplicate",
        "c-bad.jpg": "low quality",
        "small.png": "too small",
        "soft.png": "no fine detail",
        "torn.jpg": "cannot be read",
    }
    assert catalogue.skipped[tmp_path / "c-bad.jpg"] == "low quality: JPEG 40, not 75"


def test_read_photo__shrinks_large_compressed_ones(tmp_path: Path) -> None:
    write_picture(tmp_path / "large.png", 1, 900)
    with Image.open(tmp_path / "large.png") as large:
        large.save(tmp_path / "large.jpg", quality=50)
    assert read_photo(tmp_path / "large.jpg", Fitness(longest_side=400)).shape == (400, 400, 3)
    with pytest.raises(UnfitPhotoError, match="low quality"):
        read_photo(tmp_path / "large.jpg", Fitness(longest_side=600))


def test_read_photo__turns_and_flattens(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (210, 300, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[:10, :, 3] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    photo = read_photo(tmp_path / "turned.png", Fitness())
    assert photo.shape == (300, 210, 3)
    assert np.unique(photo[:, -10:]).tolist() == [255]


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 98])
def test_jpeg_quality__reads_libjpeg_tables(tmp_path: Path, quality: int) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg", quality=quality)
    with Image.open(tmp_path / "a.jpg") as image:
        assert jpeg_quality(image) == pytest.approx(quality, abs=1)


def test_split_catalogue__keeps_views_of_a_product_together() -> None:
    photos = [Path(f"shop/item{n}_{view}.jpg") for n in range(20) for view in range(2)]
    training, held_out = split_catalogue(photos, 12)
    assert sorted(training + held_out) == sorted(photos)
    assert len(held_out) == 8
    assert not {p.stem[:-2] for p in training} & {p.stem[:-2] for p in held_out}
    assert split_catalogue(photos[::-1], 12) == (training, held_out)


def test_split_catalogue__refuses_one_product() -> None:
    with pytest.raises(TooFewPhotosError, match="6 fit photographs of 1 products"):
        split_catalogue([Path(f"item_{view}.jpg") for view in range(6)], 2)


def test_split_catalogue__takes_the_numbers_of_a_camera_for_no_product() -> None:
    photos = [Path(f"shop/IMG_{number:04}.jpg") for number in range(100)]
    photos += [Path(f"shop/shirt_{view}.jpg") for view in range(4)]
    training, held_out = split_catalogue(photos, 12)
    assert (len(training), len(held_out)) == (83, 21)


def test_split_catalogue__holds_no_large_product_out_where_it_can() -> None:
    large = [[Path(f"{name}_{view}.jpg") for view in range(10)] for name in "abcdefgh"]
    for product in large:
        single = [Path(f"single{number}.jpg") for number in range(10)]
        _, held_out = split_catalogue([*product, *single], 12)
        assert len(held_out) == 4
        assert not set(product) & set(held_out)
    _, held_out = split_catalogue([*large[0], Path("z_1.jpg"), Path("z_2.jpg")], 12)
    assert held_out == [Path("z_1.jpg"), Path("z_2.jpg")]


def test_split_in_three__shares_no_product() -> None:
    photos = [Path(f"shop/item{n}_{view}.jpg") for n in range(20) for view in range(2)]
    parts = split_in_three(photos, 12)
    assert [len(part) for part in parts] == [32, 4, 4]
    products = [{path.stem[:-2] for path in part} for part in parts]
    assert sum(len(names) for names in products) == len(set.union(*products)) == 20


def test_split_in_three__leaves_a_product_for_each_part() -> None:
    photos = [Path(f"a_{view}.jpg") for view in range(10)] + [Path("b.jpg"), Path("c.jpg")]
    assert [len(part) for part in split_in_three(photos, 12)] == [10, 1, 1]
    with pytest.raises(
        TooFewPhotosError, match="11 fit photographs of 2 products; at least 2 of 3 products"
    ):
        split_in_three(photos[:-1], 2)


def test_read_catalogue__knows_a_duplicate_among_many() -> None:
    rng, seen = np.random.default_rng(0), catalogue._Thumbnails()
    photos = [rng.integers(0, 256, (24, 24, 3), np.uint8) for _ in range(70)]
    for number, photo in enumerate(photos):
        seen.add(Path(f"{number}.jpg"), photo)
    with pytest.raises(catalogue.UnfitPhotoError, match=r"near-duplicate: of 0\.jpg"):
        seen.add(Path("again.jpg"), photos[0])
