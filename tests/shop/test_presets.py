"""The rules of marketplaces: their dates, and what they say of a picture."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from shopimg.contract.provenance import ALGORITHMICALLY_ENHANCED, COMPOSITE_WITH_GENERATED
from shopimg.measuring import Measured, measure
from shopimg.presets import reference
from shopimg.presets.checking import Finding, Status, Subject, check, worst
from shopimg.presets.markets import (
    AMAZON,
    EBAY,
    GOOGLE,
    PRESETS,
    WALMART,
    get_preset,
)
from shopimg.presets.rules import Fact, Operation, Preset, Severity, rules_on
from tests.shop.pictures import encoded, product
from tests.shop.preset_cases import FIRST_NEW, LAST_OLD, TODAY, not_passed

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _main_image(side: int = 2000) -> Measured:
    edge = round(side * 0.06)
    box = (edge, edge, side - edge, side - edge)
    return measure(encoded(product((side, side), box), "JPEG", quality=95))


@pytest.fixture(scope="module")
def good() -> Measured:
    """What a main image should be: 2000 pixels square, 88 % filled, on white."""
    return _main_image()


def _finding(subject: Subject, preset: Preset, rule: str, day: date = TODAY) -> Finding:
    (found,) = [f for f in check(subject, preset, day) if f.rule.id == rule]
    return found


def _changed(measured: Measured, **changes: object) -> Subject:
    return Subject(dataclasses.replace(measured, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
@pytest.mark.parametrize("day", [TODAY, LAST_OLD, FIRST_NEW])
def test_preset__is_sound_on_every_day(preset: Preset, day: date) -> None:
    rules = rules_on(preset, day)
    ids = [rule.id for rule in rules]
    assert len(ids) == len(set(ids)) >= 4
    for rule in rules:
        limits = [rule.at_least, rule.at_most]
        assert any(limit is not None for limit in limits) + bool(rule.one_of or rule.none_of) == 1
        assert rule.source
    assert preset.as_of <= TODAY


def test_get_preset__knows_any_case_and_names_those_there_are() -> None:
    assert get_preset("Amazon") is AMAZON
    with pytest.raises(LookupError, match=r"There is no preset 'bol'. Known: amazon, google, "):
        get_preset("bol")


@pytest.mark.parametrize(
    ("name", "day", "least"),
    [
        ("google", LAST_OLD, 100),
        ("google", FIRST_NEW, 500),
        ("google-apparel", LAST_OLD, 250),
        ("google-apparel", FIRST_NEW, 500),
    ],
)
def test_google__asks_for_500_pixels_from_its_day_on(name: str, day: date, least: int) -> None:
    (rule,) = [rule for rule in rules_on(PRESETS[name], day) if rule.id == "side-minimum"]
    assert rule.at_least == least
    below = Subject(measure(encoded(Image.new("RGB", (900, least - 1), "white"))))
    at = Subject(measure(encoded(Image.new("RGB", (900, least), "white"))))
    assert _finding(below, PRESETS[name], "side-minimum", day).status is Status.FAIL
    assert _finding(at, PRESETS[name], "side-minimum", day).status is Status.PASS


def test_google__tells_a_picture_that_fails_only_from_2027_on() -> None:
    small = Subject(_main_image(400))
    today = {"side-recommended": Status.WARN}
    assert not_passed(small, GOOGLE, LAST_OLD) == today
    assert not_passed(small, GOOGLE, FIRST_NEW) == today | {"side-minimum": Status.FAIL}
    found = _finding(small, GOOGLE, "side-minimum", FIRST_NEW)
    assert (found.value, found.wanted) == (400, "at least 500 px")
    assert found.message == "400 px, wanted at least 500 px"
    assert found.rule.source == "https://support.google.com/merchants/answer/6324350"


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("amazon", {}),
        ("google", {}),
        ("google-apparel", {}),
        ("ebay", {}),
        ("walmart", {"side-recommended": Status.WARN, "images": Status.UNKNOWN}),
        ("etsy", {}),
        ("shopify", {"side-recommended": Status.WARN}),
    ],
)
def test_check__main_image_of_2000_pixels(
    good: Measured, preset: str, expected: dict[str, Status]
) -> None:
    assert not_passed(Subject(good), PRESETS[preset]) == expected


@pytest.mark.parametrize(
    ("preset", "changes", "expected"),
    [
        ("amazon", {"width": 499, "height": 400}, "side-minimum"),
        ("amazon", {"width": 10_001}, "side-maximum"),
        ("amazon", {"width": 999, "height": 999}, "side-zoom"),
        ("amazon", {"width": 1599, "height": 1599}, "side-recommended"),
        ("amazon", {"size_bytes": 10_000_001}, "bytes"),
        ("amazon", {"format": "WEBP"}, "format"),
        ("amazon", {"frames": 2}, "still"),
        ("amazon", {"colour_space": "Display P3"}, "colour"),
        ("google", {"width": 8001, "height": 8000}, "pixels"),
        ("google", {"size_bytes": 16_000_001}, "bytes"),
        ("google", {"format": "AVIF"}, "format"),
        ("google", {"width": 1499}, "side-recommended"),
        ("ebay", {"jpeg_quality": 89}, "quality"),
        ("ebay", {"size_bytes": 12_000_001}, "bytes"),
        ("ebay", {"width": 999, "height": 999}, "side-warned"),
        ("walmart", {"width": 1499}, "side-zoom"),
        ("walmart", {"format": "GIF"}, "format"),
        ("walmart", {"width": 2000, "height": 1960}, "square"),
        ("walmart", {"size_bytes": 5_000_001}, "bytes"),
        ("etsy", {"width": 634}, "side-minimum"),
        ("etsy", {"format": "WEBP"}, "format"),
        ("shopify", {"width": 4473}, "side-maximum"),
        ("shopify", {"size_bytes": 20_000_001}, "bytes"),
        ("shopify", {"height": 799}, "side-zoom"),
    ],
)
def test_check__one_step_over_each_limit(
    good: Measured, preset: str, changes: dict[str, object], expected: str
) -> None:
    found = _finding(_changed(good, **changes), PRESETS[preset], expected)
    missed = Status.FAIL if found.rule.severity is Severity.ERROR else Status.WARN
    assert found.status is missed
    assert found.message.endswith(f", wanted {found.wanted}")


@pytest.mark.parametrize(
    ("preset", "changes", "rule"),
    [
        ("amazon", {"width": 500, "height": 400}, "side-minimum"),
        ("amazon", {"size_bytes": 10_000_000}, "bytes"),
        ("google", {"width": 8000, "height": 8000}, "pixels"),
        ("ebay", {"jpeg_quality": 90}, "quality"),
        ("walmart", {"width": 2000, "height": 1981}, "square"),
        ("shopify", {"width": 4472}, "side-maximum"),
    ],
)
def test_check__limits_are_inclusive(
    good: Measured, preset: str, changes: dict[str, object], rule: str
) -> None:
    assert _finding(_changed(good, **changes), PRESETS[preset], rule).status is Status.PASS


@pytest.mark.parametrize(
    ("share", "amazon", "google"),
    [
        (0.60, Status.FAIL, Status.WARN),
        (0.80, Status.FAIL, Status.PASS),
        (0.85, Status.PASS, Status.PASS),
        (0.90, Status.PASS, Status.PASS),
        (0.95, Status.PASS, Status.WARN),
    ],
)
def test_check__fill(share: float, amazon: Status, google: Status) -> None:
    width = round(share * 400)
    subject = Subject(measure(encoded(product(box=(10, 180, 10 + width, 220)))))
    assert _finding(subject, AMAZON, "fill").status is amazon
    assert _finding(subject, GOOGLE, "fill").status is google
    assert _finding(subject, GOOGLE, "fill").value == share


def test_check__product_on_a_table_has_no_fill_and_no_white() -> None:
    table = Subject(measure(encoded(product((2000, 2000), ground=(140, 90, 60)))))
    expected = {
        "fill": Status.UNKNOWN,
        "white-border": Status.FAIL,
        "white-area": Status.UNKNOWN,
    }
    assert not_passed(table, AMAZON) == expected
    unknown = "not measured (no product told from background), wanted at least 85 %"
    assert _finding(table, AMAZON, "fill").message == unknown
    assert not_passed(dataclasses.replace(table, is_main=False), AMAZON) == {}


def test_check__white_is_exactly_255() -> None:
    off = Subject(measure(encoded(product((2000, 2000), (100, 100, 1900, 1900), (254,) * 3))))
    assert not_passed(off, AMAZON) == {"white-border": Status.FAIL, "white-area": Status.WARN}
    found = _finding(off, AMAZON, "white-border")
    assert found.value == 0.0
    assert found.message == "0 % (darkest channel 254), wanted 100 %"


def test_check__one_grey_pixel_is_not_rounded_to_all_white() -> None:
    picture = product((2000, 2000), (100, 100, 1900, 1900))
    picture.putpixel((3, 3), (200, 255, 255))
    found = _finding(Subject(measure(encoded(picture))), AMAZON, "white-border")
    assert found.message == "99.99 % (darkest channel 200), wanted 100 %"


def test_check__operations_that_a_market_refuses(good: Measured) -> None:
    enlarged = Subject(good, {Operation.ENLARGEMENT})
    scene = Subject(good, {Operation.GENERATED_BACKDROP})
    assert not_passed(enlarged, GOOGLE) == {"not-enlarged": Status.FAIL}
    assert not_passed(enlarged, AMAZON) == {}
    assert not_passed(scene, AMAZON) == {"real-backdrop": Status.FAIL}
    assert not_passed(scene, WALMART)["real-backdrop"] is Status.FAIL
    assert not_passed(dataclasses.replace(scene, is_main=False), AMAZON) == {}
    found = _finding(scene, AMAZON, "real-backdrop")
    assert found.message == "generated backdrop, wanted no generated backdrop"


def test_check__what_was_generated_must_say_so(good: Measured) -> None:
    done = {Operation.GENERATED_BACKDROP}
    silent = _changed(good, digital_source_type=ALGORITHMICALLY_ENHANCED)
    saying = _changed(good, digital_source_type=COMPOSITE_WITH_GENERATED)
    assert not_passed(silent, GOOGLE) == {}  # nothing was generated: there is nothing to say
    silent, saying = (dataclasses.replace(one, operations=done) for one in (silent, saying))
    assert not_passed(silent, GOOGLE) == {"generated-tag": Status.FAIL}
    assert not_passed(saying, GOOGLE) == {}
    found = _finding(silent, GOOGLE, "generated-tag")
    assert found.message == (
        "algorithmicallyEnhanced, wanted compositeWithTrainedAlgorithmicMedia or "
        "trainedAlgorithmicMedia"
    )


@pytest.mark.parametrize(("images", "expected"), [(None, "unknown"), (3, "warn"), (4, "pass")])
def test_check__images_of_the_product(good: Measured, images: int | None, expected: str) -> None:
    assert _finding(Subject(good, images=images), WALMART, "images").status == expected


def test_check__quality_is_a_matter_of_jpeg_only(good: Measured) -> None:
    png = _changed(good, format="PNG", jpeg_quality=None)
    assert "quality" not in [f.rule.id for f in check(png, EBAY, TODAY)]


def test_worst__orders_the_statuses() -> None:
    assert worst([]) is Status.PASS
    assert worst([Status.UNKNOWN, Status.PASS]) is Status.UNKNOWN
    assert worst([Status.FAIL, Status.WARN]) is Status.FAIL


def test_reference__is_written_from_the_data() -> None:
    assert (DOCS / "reference" / "presets.md").read_text() == reference.page()


def test_rules__name_facts_that_are_measured(good: Measured) -> None:
    of_the_file = set(Fact) - {Fact.OPERATIONS, Fact.IMAGES}
    for fact in of_the_file:
        holder = good.background if fact in (Fact.WHITE_BORDER, Fact.WHITE_AREA) else good
        assert hasattr(holder, fact)
