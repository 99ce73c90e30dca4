"""A real worker process on real servers: drafts appear, workers die, jobs come back, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import connection

from shopimg.models import EnhancedVariant, EnhancementJob, WorkerHeartbeat
from shopimg.services import jobs, publishing, reviews
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.e2e.workers import Host, database_of_tests, heartbeats
from tests.servers.process import stop
from tests.servers.redis import RedisServer
from tests.servers.stack import eventually
from tests.testapp.brokers import using_broker
from tests.testapp.models import Photo

ENHANCERS = "tests.testapp.enhancers"


@pytest.fixture
def host(transactional_db: None, redis_server: RedisServer, tmp_path: Path) -> Iterator[Host]:
    url = f"redis://127.0.0.1:{redis_server.port}/3"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    with using_broker(url):
        yield Host(tmp_path, url, database_of_tests())


def _state(job: EnhancementJob) -> str:
    job.refresh_from_db()
    return job.state


def _working(host: Host) -> list[int]:
    """Return the process ids of the workers that have started a job."""
    return [int(path.name.split("-")[1]) for path in host.signals.glob("working-*")]


def test_worker__upload_becomes_a_draft_and_then_a_published_picture_in_sizes(host: Host) -> None:
    with host.worker("shopimg.backends.pillow.PillowEnhancer"):
        photo = builders.photo(builders.picture((200, 150)))
        variant = eventually(EnhancedVariant.objects.first)
        assert (variant.state, variant.width, variant.height) == ("awaiting_review", 400, 300)
        reviews.approve(variant, by=builders.reviewer())
        eventually(EnhancedVariant.objects.exclude(renditions_at=None).exists)
        assert publishing.images_to_show([photo])[0].variant == variant
    job = builders.job_of(photo)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert set(job.timings) == {"decode", "restore", "upscale", "encode"}


def test_worker__beats_while_it_runs_and_goes_with_a_warm_shutdown(host: Host) -> None:
    with host.worker() as process:
        assert eventually(heartbeats) == ["worker@test"]
        row = WorkerHeartbeat.objects.get()
        assert row.queues == "shopimg,shopimg-bulk,shopimg-upkeep"
        assert eventually(lambda: WorkerHeartbeat.objects.get().seen_at > row.seen_at)
        assert WorkerHeartbeat.objects.get().started_at == row.started_at
        stop(process)
        assert process.returncode == 0
        assert heartbeats() == []


def test_worker__job_of_a_killed_worker_is_finished_once_by_another(host: Host) -> None:
    with host.worker(f"{ENHANCERS}.HaltingEnhancer", "first") as first:
        job = builders.job_of(builders.photo())
        eventually(lambda: _working(host))
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert _state(job) == JobState.RUNNING
    with host.worker(name="second"):
        eventually(lambda: _state(job) == JobState.SUCCEEDED)
    assert job.attempts == 2
    assert EnhancedVariant.objects.get().job == job
    assert heartbeats() == ["first@test"]


def test_worker__job_of_a_killed_child_is_finished_by_the_next_child(host: Host) -> None:
    with host.worker(f"{ENHANCERS}.HaltingEnhancer") as worker:
        job = builders.job_of(builders.photo())
        (child,) = eventually(lambda: _working(host))
        os.kill(child, signal.SIGKILL)
        eventually(lambda: len(_working(host)) == 2)
        (host.signals / "go").touch()
        eventually(lambda: _state(job) == JobState.SUCCEEDED)
        assert worker.poll() is None
    assert job.attempts == 2
    assert EnhancedVariant.objects.count() == 1


def test_worker__cancelled_job_stops_working(host: Host) -> None:
    with host.worker(f"{ENHANCERS}.HaltingEnhancer"):
        job = builders.job_of(builders.photo())
        eventually(lambda: _working(host))
        jobs.cancel(job)
        other = builders.job_of(builders.photo(builders.picture(colour=(1, 2, 3))))
        # The only child takes the next job, though nobody has told the first one to go on.
        eventually(lambda: _state(other) == JobState.RUNNING)
        (host.signals / "go").touch()
        eventually(lambda: _state(other) == JobState.SUCCEEDED)
    assert _state(job) == JobState.CANCELLED
    assert EnhancedVariant.objects.get().job == other


def test_worker__poison_is_quarantined_after_three_attempts_and_the_service_stays_up(
    host: Host,
) -> None:
    with host.worker(f"{ENHANCERS}.PoisonedEnhancer") as worker:
        job = builders.job_of(builders.photo())
        eventually(lambda: _state(job) == JobState.QUARANTINED, seconds=120)
        assert worker.poll() is None
        assert (host.signals / "attempts").read_text() == "xxx"
    assert (job.attempts, job.error_code) == (3, "worker_error")
    with host.worker(name="next"):
        later = builders.job_of(builders.photo(builders.picture(colour=(1, 2, 3))))
        eventually(lambda: _state(later) == JobState.SUCCEEDED)
    assert (host.signals / "attempts").read_text() == "xxx"


def test_worker__children_inherit_no_database_connection(host: Host) -> None:
    backends = set()
    with host.worker(f"{ENHANCERS}.ConnectionCountingEnhancer") as worker:
        for shade in range(2):
            job = builders.job_of(builders.photo(builders.picture(colour=(shade, 0, 0))))
            eventually(lambda job=job: _state(job) == JobState.SUCCEEDED)
            (note,) = host.signals.glob("backend-*")
            _, child, backend = note.name.split("-")
            backends.add(backend)
            note.unlink()
            os.kill(int(child), signal.SIGKILL)
        assert worker.poll() is None
    assert len(backends) == 2


def test_worker__messages_lost_by_the_broker_are_sent_again(host: Host) -> None:
    sent = [
        builders.job_of(builders.photo(builders.picture(colour=(shade, 0, 0))))
        for shade in range(5)
    ]
    with redis.Redis.from_url(host.broker_url) as client:
        assert client.llen("shopimg") == 5
        client.flushall()
    with host.worker():
        for job in sent:
            eventually(lambda job=job: _state(job) == JobState.SUCCEEDED)
    assert EnhancedVariant.objects.count() == 5
    assert set(EnhancementJob.objects.values_list("attempts", flat=True)) == {1}


def test_worker__row_written_behind_the_hook_is_enhanced(host: Host) -> None:
    with host.worker():
        stored = Photo(file=builders.upload())
        stored.file.save("bulk.jpg", builders.upload(), save=False)
        Photo.objects.bulk_create([stored])
        variant = eventually(EnhancedVariant.objects.first)
    assert (variant.source, variant.state) == (stored, ReviewState.AWAITING_REVIEW)


EMBEDDED_UPLOAD = """
from tests import builders
from django.core.management import call_command
call_command("migrate", verbosity=0)
builders.photo()
"""
EMBEDDED_RESULT = """
from shopimg.models import EnhancedVariant, WorkerHeartbeat
print(EnhancedVariant.objects.values_list("state", "job__state", "job__attempts").first())
"""


def test_worker__runs_embedded_on_sqlite_and_a_folder_of_messages(
    tmp_path: Path, storage_folders: dict[str, Path]
) -> None:
    queue, control = tmp_path / "queue", tmp_path / "control"
    queue.mkdir()
    control.mkdir()
    host = Host(
        tmp_path,
        "filesystem://",
        {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "shop.sqlite3"},
        {"data_folder_in": queue, "data_folder_out": queue, "control_folder": control},
    )
    host.python(EMBEDDED_UPLOAD)
    with host.worker():
        wanted = "('awaiting_review', 'succeeded', 1)"
        eventually(lambda: host.python(EMBEDDED_RESULT) == wanted)
        beats = "from tests.e2e.workers import heartbeats; print(heartbeats())"
        assert host.python(beats) == "['worker@test']"
    assert host.python(beats) == "[]"


def _database_connections() -> int:
    """Return how many others are connected to the test database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_worker__process_that_has_lost_its_device_ends_and_another_does_the_job(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENHANCER_DEVICE", "cuda")
    others = _database_connections()
    with host.worker(f"{ENHANCERS}.LosingEnhancer", name="gpu") as worker:
        job = builders.job_of(builders.photo())
        # Three interpreters start one after the other.
        eventually(lambda: _state(job) == JobState.SUCCEEDED, seconds=180)
        notes = {int(p.name.split("-")[1]): p.read_text() for p in host.signals.glob("process-*")}
        # Fresh interpreters, as CUDA needs them; the one whose device was lost has gone.
        assert sorted(notes.values()) == ["1 lost", "1 worked"]
        (lost,) = [pid for pid, note in notes.items() if note == "1 lost"]
        (worked,) = [pid for pid, note in notes.items() if note == "1 worked"]
        eventually(lambda: not Path(f"/proc/{lost}").exists())
        assert Path(f"/proc/{worked}").exists()
        assert worker.poll() is None
        # No message waits to be delivered again, and no process keeps a connection between tasks.
        with redis.Redis.from_url(host.broker_url) as client:
            eventually(lambda: client.hlen("unacked") == 0)
        eventually(lambda: _database_connections() <= others)
    assert job.attempts == 2
    log = (host.folder / "gpu.log").read_text()
    assert "RuntimeError: CUDA error: an illegal memory access" in log
    assert log.count(f"CUDA has failed in process {lost}, which ends now") == 1
    assert log.count("which ends now") == 1
