"""``shopimg_audit``: what its reports say, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from shopimg import measuring
from shopimg.presets.markets import PRESETS
from tests.shop.audit_cases import Run, white_photo, wood_photo
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db


def test_audit__table_lists_what_is_wrong_and_counts_all(audit: Run) -> None:
    white_photo(1600)
    bad = wood_photo(450, "vase.jpg")
    code, out, err = audit("--preset", "amazon", "--on", "2026-11-25")
    assert code == 1
    assert err.endswith("1 of 2 images misses rules of Amazon.")
    unknown = "unknown  not measured (no product told from background)"
    worst = "2 images by their worst rule: 1 pass, 0 warn, 1 fail, 0 unknown"
    assert out.splitlines() == [
        f"testapp.Photo {bad.pk}, original photos/vase.jpg",
        "  side-minimum      fail     450 px, wanted at least 500 px",
        "  side-zoom         warn     450 px, wanted at least 1000 px",
        "  side-recommended  warn     450 px, wanted at least 1600 px",
        f"  fill              {unknown}, wanted at least 85 %",
        "  white-border      fail     0 % (darkest channel 63), wanted 100 %",
        f"  white-area        {unknown}, wanted 100 %",
        f"Amazon, rules of 2026-11-25: {worst}.",
        "Not measured: 2 of the findings, in 1 of the images.",
        "  rule                   pass     warn     fail  unknown",
        "  side-minimum              1        0        1        0",
        "  side-maximum              2        0        0        0",
        "  side-zoom                 1        1        0        0",
        "  side-recommended          1        1        0        0",
        "  bytes                     2        0        0        0",
        "  format                    2        0        0        0",
        "  still                     2        0        0        0",
        "  colour                    2        0        0        0",
        "  fill                      1        0        0        1",
        "  white-border              1        0        1        0",
        "  white-area                1        0        0        1",
        "  real-backdrop             2        0        0        0",
    ]


def test_audit__json_has_every_value(audit: Run) -> None:
    photo = wood_photo(450)
    code, out, _ = audit("--preset", "google", "--format", "json", "--on", "2027-01-31")
    told = json.loads(out)
    assert code == 1
    assert {key: told[key] for key in ("preset", "day", "role", "main")} == {
        "preset": "google",
        "day": "2027-01-31",
        "role": None,
        "main": True,
    }
    (image,) = told["images"]
    findings = {found["rule"]: found for found in image.pop("findings")}
    assert image == {
        "model": "testapp.Photo",
        "id": str(photo.pk),
        "file": "photos/mug.jpg",
        "published": False,
        "status": "fail",
    }
    assert findings["side-minimum"] == {
        "rule": "side-minimum",
        "severity": "error",
        "status": "fail",
        "value": 450,
        "wanted": "at least 500 px",
        "message": "450 px, wanted at least 500 px",
        "source": "https://support.google.com/merchants/answer/6324350",
    }
    assert findings["fill"]["value"] is None
    assert findings["bytes"]["value"] == photo.file.size
    assert told["summary"]["images"] == {"pass": 0, "warn": 0, "fail": 1, "unknown": 0}
    assert told["summary"]["rules"]["fill"] == {"pass": 0, "warn": 0, "fail": 0, "unknown": 1}


def test_audit__csv_has_a_row_for_each_image_and_rule(audit: Run) -> None:
    photos = [wood_photo(450), white_photo(1600, 'a "mug", blue.jpg')]
    _, out, _ = audit("--preset", "shopify", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["id"] for row in rows] == [str(photo.pk) for photo in photos for _ in range(6)]
    assert rows[0] == {
        "model": "testapp.Photo",
        "id": str(photos[0].pk),
        "file": "photos/mug.jpg",
        "published": "False",
        "rule": "side-zoom",
        "severity": "warn",
        "status": "warn",
        "value": "450",
        "wanted": "at least 800 px",
        "message": "450 px, wanted at least 800 px",
        "source": "third parties",
    }


def test_audit__junit_is_what_ci_systems_read(audit: Run) -> None:
    photo = wood_photo(450)
    code, out, _ = audit("--preset", "amazon", "--format", "junit")
    (suite,) = ET.fromstring(out)
    counts = {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")}
    assert code == 1
    assert counts == {
        "name": "shopimg_audit.amazon",
        "tests": "12",
        "failures": "2",
        "errors": "0",
        "skipped": "2",
    }
    cases = {case.get("name"): case for case in suite}
    assert {case.get("classname") for case in suite} == {"amazon.testapp.Photo"}
    failure = cases[f"{photo.pk} photos/mug.jpg: side-minimum"].find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "450 px, wanted at least 500 px", "type": "error"}
    warned = cases[f"{photo.pk} photos/mug.jpg: side-zoom"]
    assert warned.findtext("system-out") == "warn: 450 px, wanted at least 1000 px"
    assert list(cases[f"{photo.pk} photos/mug.jpg: bytes"]) == []


def test_audit__junit_counts_warnings_where_they_count(audit: Run) -> None:
    wood_photo(450)
    code, out, _ = audit("--preset", "shopify", "--format", "junit", "--fail-on", "warn")
    (suite,) = ET.fromstring(out)
    failures = [
        case.get("name", "").split(": ")[1] for case in suite if case.find("failure") is not None
    ]
    assert (code, suite.get("failures")) == (1, "2")
    assert failures == ["side-zoom", "side-recommended"]


def test_audit__junit_takes_any_file_name(audit: Run) -> None:
    photo = white_photo(1600)
    odd = "photos/<m\x0bug> & 'ü'.jpg"
    Path(photo.file.path).rename(Path(photo.file.path).parent / Path(odd).name)
    Photo.objects.update(file=odd)
    _, out, _ = audit("--preset", "etsy", "--format", "junit")
    (suite,) = ET.fromstring(out)
    assert (
        suite[0].get("name")
        == f"{photo.pk} photos/<m\N{REPLACEMENT CHARACTER}ug> & 'ü'.jpg: side-minimum"
    )


def test_audit__progress_is_not_drawn_among_the_lines_of_a_table(audit: Run, monkeypatch) -> None:
    white_photo(1600)
    assert "Measuring" in audit("--preset", "ebay")[2]
    monkeypatch.setattr("django.core.management.base.OutputWrapper.isatty", lambda _self: True)
    assert "Measuring" not in audit("--preset", "ebay")[2]
    assert "Measuring" in audit("--preset", "ebay", "--format", "csv")[2]


def test_audit__list_tells_rules_dates_and_sources(audit: Run) -> None:
    code, out, _ = audit("--list", "--preset", "google")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "google: Google Merchant Center, collected on 2026-11-25, --fix queues feed"
    page = f"{'':27}https://support.google.com/merchants/answer/6324350"
    assert lines[1:5] == [
        "  side-minimum      error  shortest side: at least 100 px, before 2027-01-31",
        page,
        "  side-minimum      error  shortest side: at least 500 px, from 2027-01-31",
        page,
    ]
    titles = [line for line in audit("--list")[1].splitlines() if not line.startswith(" ")]
    assert [title.partition(":")[0] for title in titles] == list(PRESETS)


def test_audit__csv_starts_no_formula(audit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the colour profile of an upload calls itself.
    monkeypatch.setattr(measuring, "_colour_space", lambda _: '=HYPERLINK("http://evil.example")')
    white_photo(1600)
    _, out, _ = audit("--preset", "amazon", "--format", "csv")
    cells = [cell for row in csv.DictReader(io.StringIO(out)) for cell in row.values()]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not any(cell.startswith("=") for cell in cells)
