"""The parts of ``manage.py demo``, and the whole of it on the real worker."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from demoshop.demo import accounts, processes, report, seeding, show, workspace
from demoshop.demo.report import Row
from demoshop.models import Product, ProductImage
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

ROOT = Path(__file__).resolve().parents[2]
LEAST_IOU, LEAST_MEAN_IOU = 0.5, 0.8
LARGEST_SHIFT = 4.0
KEYS = [
    "name", "source_width", "source_height", "width", "height",
    "psnr_before", "psnr_after", "seconds", "status", "mask_iou", "pixel_lock", "white_share",
]  # fmt: skip
BETTER = Row(
    "Mug", 400, 500, 800, 1000, 30.0, 31.5, {"restore": 0.25, "upscale": 1}, "published",
    mask_iou=0.9876, pixel_lock=0.543, white_share=0.9991,
)  # fmt: skip
FAILED = Row("Lamp", 400, 500, None, None, 30.0, None, {}, "failed")


def test_row__improved() -> None:
    assert BETTER.improved
    assert not FAILED.improved
    assert not dataclasses.replace(BETTER, psnr_after=30.0).improved


def test_report__json_has_the_promised_keys(tmp_path: Path) -> None:
    report.write_json([BETTER, FAILED], tmp_path / "report.json")
    rows = json.loads((tmp_path / "report.json").read_text())
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert rows[0]["seconds"] == {"restore": 0.25, "upscale": 1}
    assert rows[1]["psnr_after"] is None


def test_report__table_lines_up() -> None:
    head, better, failed = report.table([BETTER, FAILED]).splitlines()
    assert head.split("  ")[0].strip() == "product"
    assert "+1.50 dB     0.988        0.54  99.91%" in better
    assert better.endswith("published")
    assert failed.endswith("failed")
    assert head.index("after") + len("after") == better.index("800x1000") + len("800x1000")


def test_show__names_what_is_not_better() -> None:
    show.judge([BETTER])
    with pytest.raises(CommandError, match=r"Not better than the upload: Lamp \(failed\)"):
        show.judge([BETTER, FAILED])


def test_workspace__is_for_one_at_a_time(tmp_path: Path, settings: Settings) -> None:
    settings.DEMO_DIR = tmp_path
    with (
        workspace.reserved(),
        pytest.raises(CommandError, match=rf"\(process {os.getpid()}\)\. Stop it first"),
        workspace.reserved(),
    ):
        pytest.fail("two at a time")
    with workspace.reserved() as again:
        assert again == tmp_path


@pytest.mark.django_db
def test_workspace__clear_removes_files_and_keeps_the_logins(
    tmp_path: Path, settings: Settings
) -> None:
    settings.DEMO_DIR = tmp_path
    passwords = accounts.logins(tmp_path)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "old.jpg").write_bytes(b"old")
    workspace.clear()
    assert not (tmp_path / "media").exists()
    assert (tmp_path / "broker" / "queue").is_dir()
    assert accounts.logins(tmp_path) == passwords


@pytest.mark.django_db
def test_accounts__reviewer_may_review_but_not_everything(tmp_path: Path) -> None:
    reviewer = accounts.create_users(tmp_path)
    assert reviewer.check_password(accounts.logins(tmp_path)["reviewer"])
    assert reviewer.has_perms(["shopimg.review_enhancedvariant", "shopimg.publish_enhancedvariant"])
    assert not reviewer.has_perm("demoshop.delete_product")
    assert (tmp_path / accounts.FILE).stat().st_mode & 0o077 == 0


@pytest.mark.django_db
def test_seeding__can_be_repeated() -> None:
    for _ in range(2):
        for sample, product in seeding.seed_products()[:2]:
            seeding.upload(sample, product)
    assert Product.objects.count() == 10
    assert ProductImage.objects.count() == 2


def is_running(pid: int) -> bool:
    """Tell whether a process still does something; one that nobody has buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_processes__are_stopped_with_their_children(tmp_path: Path) -> None:
    wait = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    start_child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {wait!r}])"
    log = tmp_path / "log"
    with processes.running(("-c", start_child), log) as process:
        while not processes.tail(log).endswith("\n"):
            assert process.poll() is None
        child = int(processes.tail(log))
        assert is_running(child)
    assert process.returncode is not None
    for _ in range(100):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)


def run_demo(folder: Path, *options: str, **variables: str) -> list[dict[str, Any]]:
    """Run the command as a user does, and return its report."""
    ours = ("DATABASE_URL", "REDIS_URL", "S3_", "DJANGO_", "DEMO_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    result = subprocess.run(
        [sys.executable, "manage.py", "demo", *options],
        cwd=ROOT,
        env={**kept, **variables, "DEMO_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("\nSee and review them in a browser: make serve\n")
    rows: list[dict[str, Any]] = json.loads((folder / "report.json").read_text())
    return rows


def assert_all_better(rows: list[dict[str, Any]]) -> None:
    assert all(list(row) == KEYS for row in rows)
    assert all(row["psnr_after"] > row["psnr_before"] for row in rows)
    assert all(row["mask_iou"] > LEAST_IOU for row in rows)
    assert sum(row["mask_iou"] for row in rows) > LEAST_MEAN_IOU * len(rows)
    assert all(row["pixel_lock"] < LARGEST_SHIFT for row in rows)
    assert all(row["white_share"] == 1 for row in rows)
    states = [row["status"] for row in rows]
    assert states == ["published", *["awaiting_review"] * (len(rows) - 1)]


@pytest.mark.slow
def test_demo__improves_every_photograph_on_the_real_worker(tmp_path: Path) -> None:
    for _ in range(2):  # a second run starts afresh
        rows = run_demo(tmp_path)
        assert len(rows) == 10
        assert_all_better(rows)
    assert (tmp_path / "contact-sheet.png").stat().st_size > 100_000


@pytest.mark.slow
def test_demo__runs_on_real_servers_without_a_change_of_code(
    tmp_path: Path, redis_server: RedisServer, postgres_server: PostgresServer, s3_server: S3Server
) -> None:
    postgres_server.create_database("demo")
    servers = {
        "DATABASE_URL": postgres_server.url("demo"),
        "REDIS_URL": redis_server.url,
        **s3_server.environment(),
    }
    rows = run_demo(tmp_path, "--photos", "2", "--timeout", "180", **servers)
    assert len(rows) == 2
    assert_all_better(rows)
    assert not list(tmp_path.glob("*.sqlite3"))
    assert not (tmp_path / "published").exists()
