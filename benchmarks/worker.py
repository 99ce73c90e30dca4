"""Measures a worker behind the real queue: images per minute, and what a job costs without pixels.

Run it as `python benchmarks/worker.py [--uploads 200] [--recipe clean]`. It starts a PostgreSQL
and a Redis as the tests do, uploads through the hook of the demo shop, and starts a Celery worker
for every pool and concurrency. It prints its tables and writes them to
`benchmarks/results/worker.md`, and the figures to `worker.json`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.queueing import ECHO, NEURAL, UPLOAD_QUALITY, UPLOAD_SIDE_PIXELS, Setup, site

GOOD_ENOUGH = 0.95
"""A pool within five percent of the fastest is preferred when it is safer."""
SINGLE_UPLOADS = 20


SETUPS = (
    Setup("prefork", 1),
    Setup("prefork", 2),
    Setup("prefork", 2, threads=1),
    Setup("prefork", 4, threads=1),
    Setup("threads", 1),
    Setup("threads", 2),
    Setup("solo", 1),
)
"""Safest first: only prefork can end a job that hangs, and survives one that crashes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    arguments = _arguments(argv)
    share = max(2, arguments.uploads // arguments.share)
    with tempfile.TemporaryDirectory() as name, site(Path(name), arguments.recipe) as shop:
        figures: dict[str, Any] = {
            **page.circumstances(),
            "recipe": arguments.recipe,
            "upload": f"{UPLOAD_SIDE_PIXELS} pixels, JPEG {UPLOAD_QUALITY}",
            "versions": page.versions("celery", "redis", "psycopg", "openvino"),
            "echo": {one.label: shop.race(one, ECHO, arguments.uploads) for one in SETUPS},
            "single": shop.singles(SETUPS[0], min(arguments.uploads, SINGLE_UPLOADS)),
            "neural": {one.label: shop.race(one, NEURAL, share) for one in SETUPS},
        }
        best = best_setup(figures["neural"])
        figures["best"] = best.label
        figures["best_with_all_uploads"] = shop.race(best, NEURAL, arguments.uploads)
    page.write("worker", figures, to_markdown(figures), arguments.results)
    return 0


def best_setup(neural: Mapping[str, Mapping[str, float]]) -> Setup:
    """Choose the safest setup that is about as fast as the fastest one."""
    fastest = max(one["images_per_minute"] for one in neural.values())
    return next(
        setup
        for setup in SETUPS
        if setup.label in neural
        and neural[setup.label]["images_per_minute"] >= GOOD_ENOUGH * fastest
    )


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    rows = [
        [
            label,
            f"{neural['images_per_minute']:.0f}",
            f"{neural['memory_megabytes']:.0f}",
            f"{figures['echo'][label]['milliseconds_per_job']:.1f}",
            f"{figures['echo'][label]['images_per_minute']:.0f}",
        ]
        for label, neural in figures["neural"].items()
    ]
    header = [
        "pool and concurrency",
        "images per minute",
        "memory, MB",
        "overhead per job, ms",
        "jobs per minute without pixels",
    ]
    single, whole = figures["single"], figures["best_with_all_uploads"]
    counts = [next(iter(figures[kind].values()))["uploads"] for kind in ("neural", "echo")]
    return [
        "# Worker",
        "",
        page.preface(figures, "python benchmarks/worker.py"),
        "",
        f"Uploads of {figures['upload']}, recipe `{figures['recipe']}`, through Redis and "
        f"PostgreSQL; {counts[0]:.0f} of them for images per minute, {counts[1]:.0f} for the "
        "overhead, which is a job of an enhancer that returns its upload. The clock runs from the "
        "first finished job to the last. Memory: of all processes of the worker, shared pages "
        "once.",
        "",
        *page.markdown_table(header, rows),
        "",
        f"Best default: **{figures['best']}**, the safest within "
        f"{1 - GOOD_ENOUGH:.0%} of the fastest; with {whole['uploads']:.0f} uploads "
        f"{whole['images_per_minute']:.0f} images per minute.",
        "",
        f"One upload to an idle worker ({SETUPS[0].label}, {single['uploads']:.0f} one by one, no "
        f"pixels) is finished after {single['median_milliseconds']:.0f} ms (median), "
        f"{single['slowest_milliseconds']:.0f} ms at most.",
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=200, help="pictures")
    parser.add_argument(
        "--share", type=int, default=5, help="every setup gets uploads / SHARE, the best one all"
    )
    parser.add_argument("--recipe", default="clean", help="what every upload is queued for")
    parser.add_argument("--quick", action="store_true", help="8 uploads")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    found = parser.parse_args(argv)
    if found.quick:
        found.uploads, found.share = 8, 2
    if found.uploads < 2:
        parser.error("--uploads must be at least 2")
    return found


if __name__ == "__main__":
    sys.exit(main())
