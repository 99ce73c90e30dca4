"""Model cards: what `weights.json` says, and nothing that it has stopped saying."""

import json
from pathlib import Path

import pytest

from enhancer_worker.nets.manifest import MANIFEST_NAME, SHIPPED_WEIGHTS
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.cards import card, cards, read_entries
from enhancer_worker.training.cli import cards_main
from shopimg.contract import WorkerError

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs/models"
FACTS = {
    "sha256": "ab" * 32,
    "parameters": 172_812,
    "net": {"net": "srvgg", "scale": 2, "channels": 48},
    "licence": "BSD-3-Clause",
    "command": "python -m enhancer_worker train upscaler --scale 2",
    "data": [{"name": "photos", "licence": "CC0-1.0"}],
    "metrics": {
        "set5": {"x2": {"psnr_y": 37.1, "min_gain_over_bicubic": 1.0}},
        "b100": {"sr": {"x2": {"psnr_y": 31.7, "min_gain_over_bicubic": 0.42}}},
    },
    "date": "2026-11-23",
}


def write_manifest(folder: Path, **entries: object) -> Path:
    (folder / MANIFEST_NAME).write_text(json.dumps({"weights": entries}))
    return folder


def test_committed_cards__are_current() -> None:
    expected = cards(read_entries(SHIPPED_WEIGHTS), COMMITTED)
    current = {path: path.read_text() for path in COMMITTED.glob("*.md")}
    assert current == expected, "run python -m enhancer_worker cards --out docs/models"


def test_card__says_what_the_manifest_says() -> None:
    text = card(zoo_entry("upscale_x2_s"), FACTS, None)
    for said in (
        "# upscale_x2_s",
        "Enlarges 2 times, faithful flavour (`srvgg`).",
        "| parameters | 172,812 |",
        "| network | scale 2, channels 48 |",
        f"| sha256 | `{'ab' * 32}` |",
        "| photos | CC0-1.0 |",
        "python -m enhancer_worker train upscaler --scale 2",
        "|  | psnr_y | min_gain_over_bicubic |",
        "| sr x2 | 31.7 | 0.42 |",
        "On the hardest picture it gains +0.42 dB over bicubic (b100 sr x2).",
    ):
        assert said in text
    assert "8-bit" not in text
    assert "Where it fails" not in text


def test_card__judges_a_flavour_by_what_it_is_made_for() -> None:
    clean = {"psnr_y": 35.4, "min_gain_over_bicubic": -0.19}
    damaged = {"psnr_y": 30.1, "min_gain_over_bicubic": 0.31}
    facts = {**FACTS, "metrics": {"set5": {"x2": clean, "photo_x2": damaged}}}
    photo = card(zoo_entry("upscale_x2_s_photo"), facts, "images/a.jpg")
    faithful = card(zoo_entry("upscale_x2_s"), facts, "images/a.jpg")
    assert "it gains +0.31 dB over bicubic (set5 photo_x2)" in photo
    assert "it gains -0.19 dB over bicubic (set5 x2)" in faithful
    assert "| photo_x2 | 30.1 | 0.31 |\n| x2 | 35.4 | -0.19 |" in photo
    assert "| x2 | 35.4 | -0.19 |\n| photo_x2 | 30.1 | 0.31 |" in faithful
    assert "shrunk 2 times, damaged as uploads are, in which" in photo
    assert "shrunk 2 times, in which" in faithful


def test_card__shows_what_else_is_recorded() -> None:
    more = {
        "config": {"batch": 16, "seed": 1},
        "remarks": "Resumed once.",
        "int8": {"loss_db": 0.0312, "chosen": True},
    }
    text = card(zoo_entry("upscale_x2_s"), FACTS | more, "images/upscale_x2_s.jpg")
    assert "| `batch` | 16 |\n| `seed` | 1 |" in text
    assert "Resumed once." in text
    assert "| 8-bit version | loses 0.031 dB at most; used on CPUs |" in text
    assert "![Failures](images/upscale_x2_s.jpg)" in text


def test_card__of_a_shop_s_own_style_says_what_backdrops_cannot() -> None:
    own, shipped = (
        card(zoo_entry(name), FACTS, None) for name in ("backdrop_s_brand", "backdrop_s")
    )
    limits = own.partition("## Limits")[2]
    assert limits
    assert limits == shipped.partition("## Limits")[2]


def test_card__says_why_an_8_bit_version_is_not_used() -> None:
    eight = {"loss_db": 0.01, "chosen": False, "objection": "3 photographs are too few to tell"}
    text = card(zoo_entry("upscale_x2_s"), {**FACTS, "int8": eight}, "images/a.jpg")
    assert "loses 0.010 dB at most; not used: 3 photographs are too few to tell |" in text
    del eight["objection"]
    text = card(zoo_entry("upscale_x2_s"), {**FACTS, "int8": eight}, "images/a.jpg")
    assert "loses 0.010 dB at most; not used: it loses too much |" in text


def test_cards__are_written_checked_and_taken_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_manifest(tmp_path, upscale_x2_s=FACTS)
    out = tmp_path / "models"
    argv = ["--out", str(out), "--weights", str(weights)]
    assert cards_main([*argv, "--check"]) == 1
    assert not out.exists()
    assert cards_main(argv) == 0
    assert capsys.readouterr().out == "2 files, 2 of them new or changed.\n"
    assert cards_main([*argv, "--check"]) == 0
    (out / "gone.md").write_text("a network that ships no more")
    (out / "upscale_x2_s.md").write_text("edited")
    assert cards_main([*argv, "--check"]) == 1
    assert "upscale_x2_s.md is not current" in capsys.readouterr().err
    assert cards_main(argv) == 0
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "upscale_x2_s.md"]


def test_read_entries__says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        read_entries(tmp_path)
    assert "weights.json: FileNotFoundError" in caught.value.detail
