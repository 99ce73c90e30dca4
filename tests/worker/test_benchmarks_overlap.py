"""The benchmark of overlap: both ways make the same files, and its page compares them."""

from __future__ import annotations

from benchmarks import overlap


def test_prepare__makes_the_same_files_both_ways() -> None:
    digests = {
        way: overlap.prepare("catalogue", (96, 96), overlap=way == overlap.OVERLAPPING)()
        for way in (overlap.BASELINE, overlap.OVERLAPPING)
    }
    assert digests[overlap.BASELINE] == digests[overlap.OVERLAPPING]


def test_to_markdown__compares_with_one_after_the_other() -> None:
    def way(seconds: float) -> dict[str, float]:
        spread = {"fastest_seconds": seconds - 0.1, "slowest_seconds": seconds + 0.1}
        return {"median_seconds": seconds, "peak_over_idle_megabytes": 80.4, **spread}

    jobs = {"clean 512": {overlap.BASELINE: way(1.5), overlap.OVERLAPPING: way(1.0)}}
    circumstances = {"date": "today", "hardware": "a machine", "commit": "abc"}
    lines = overlap.to_markdown({**circumstances, "jobs": jobs, "quick": False})
    assert "| clean 512 | one after the other | 1.500 | 1.400 - 1.600 | 1.00 x | 80 |" in lines
    assert "| clean 512 | overlapping | 1.000 | 0.900 - 1.100 | 1.50 x | 80 |" in lines
