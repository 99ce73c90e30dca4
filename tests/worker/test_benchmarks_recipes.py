"""The benchmark of recipes: real jobs, every step counted once, and what is said of the bars."""

from pathlib import Path

from benchmarks import jobs, recipes
from tests.worker.products import texture


def test_prepare__times_every_step_of_new_uploads(tmp_path: Path) -> None:
    laps = recipes.prepare("white", 96, 1, str(tmp_path))()
    assert list(laps) == ["white"]
    first, second = laps["white"]
    for lap in (first, second):
        steps = {name: value for name, value in lap.items() if name != "total"}
        network = steps.pop("cutout network")
        assert {"decode", "cutout", "frame", "backdrop", "encode"} <= steps.keys()
        # Of another upload nothing is remembered, and no step is counted twice.
        assert 0 < network < steps["cutout"]
        assert sum(steps.values()) <= lap["total"]


def test_jpeg__is_another_upload_of_the_same_pixels() -> None:
    pixels = texture(32, 24)
    first, second = jobs.jpeg(pixels, comment="1"), jobs.jpeg(pixels, comment="2")
    assert first != second
    assert first == jobs.jpeg(pixels, comment="1")


def test_to_markdown__shows_steps_and_missed_bars() -> None:
    def found(total: float, first: float) -> dict[str, object]:
        seconds = {"total": total, "cutout": 0.5, "cutout network": 0.025}
        return {"first": first, "laps": 5, "seconds": seconds, "peak_over_idle_megabytes": 480.4}

    measured = {"clean": found(1.0, 2.0), "catalogue": found(7.0, 13.0)}
    bars = recipes.bars(measured)
    assert [bar["met"] for bar in bars] == [True, False, True]
    circumstances = {"date": "today", "hardware": "a machine", "commit": "abc"}
    lines = recipes.to_markdown({**circumstances, "side": 1000, "recipes": measured, "bars": bars})
    assert "| catalogue | 13.00 | 7.00 | 0.50 | 0.03 | 480 |" in lines
    assert "| catalogue, the first one, s | 13 | <= 12 | no |" in lines
