"""What a run would cost: asked through a row, answered by a worker, added up for the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shopimg import wakeup
from shopimg.models import CostQuestion, EnhancementJob, WorkerHeartbeat
from shopimg.services import forecasts
from shopimg.services.bulk import Selection
from shopimg.services.forecasts import NoForecastError, RunForecast
from shopimg.services.requests import request_enhancement
from tests import builders
from tests.e2e.workers import Host, database_of_tests
from tests.servers.redis import RedisServer
from tests.testapp.brokers import using_broker
from tests.testapp.models import Photo

FORECASTING = "tests.testapp.enhancers.ForecastingEnhancer"


def _catalogue(*sizes: tuple[int, int]) -> list[Photo]:
    """Save photographs that shopimg does not know yet."""
    files = Photo._meta.get_field("file").storage
    names = [
        files.save(f"photos/{i}.jpg", builders.upload(builders.picture(size, colour=(i, 7, 7))))
        for i, size in enumerate(sizes)
    ]
    return Photo.objects.bulk_create([Photo(file=name) for name in names])


def _worker(name: str, queues: str, processes: int = 1) -> None:
    WorkerHeartbeat.objects.create(
        name=name, queues=queues, processes=processes, seen_at=timezone.now()
    )


@pytest.fixture
def answering(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let this process answer, as a worker would; return the queues that were asked."""
    asked: list[str] = []

    def send(question_id: object, queue: str, *, expires: float) -> bool:
        asked.append(queue)
        forecasts.answer(str(question_id))
        return expires == forecasts.PATIENCE_SECONDS

    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": FORECASTING}
    monkeypatch.setattr(forecasts, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(wakeup, "send_cost_question", send)
    monkeypatch.setattr(wakeup, "waiting", lambda queue: 0)
    return asked


def _forecast(**options: object) -> RunForecast | None:
    return forecasts.forecast(Selection(**options), sleep=lambda _: None)


@pytest.mark.django_db
def test_forecast__adds_up_by_hand(answering: list[str]) -> None:
    _catalogue((200, 100), (200, 100), (400, 100))
    _worker("bulk@one", "shopimg-bulk,shopimg", processes=3)
    _worker("bulk@two", "shopimg-bulk")
    _worker("fast@three", "shopimg")
    found = _forecast()
    assert found is not None
    assert found.seconds == pytest.approx(0.02 + 0.02 + 0.04 + 2)
    # Two at once on a machine, so three in all: the machine of three processes counts as two.
    assert (found.processes, found.wall_seconds) == (3, pytest.approx(found.seconds / 3))
    assert (found.peak_bytes, found.largest, found.looked_at) == (160_000.0, (400, 100), 3)
    assert answering == ["shopimg-bulk"]
    assert not CostQuestion.objects.exists()


@pytest.mark.django_db
def test_forecast__leaves_out_what_is_up_to_date(answering: list[str]) -> None:
    photo, _ = _catalogue((200, 100), (400, 100))
    request_enhancement(photo)
    _worker("w@one", "shopimg,shopimg-bulk")
    found = _forecast()
    assert found is not None
    assert found.seconds == pytest.approx(1.04)
    forced = _forecast(force=True)
    assert forced is not None
    assert forced.seconds == pytest.approx(2.06)
    assert _forecast(ids=(str(photo.pk),), model="testapp.Photo") is None


@pytest.mark.django_db
def test_forecast__looks_at_some_of_many(
    answering: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "MOST_LOOKED_AT", 2)
    _catalogue(*[(200, 100)] * 4)
    _worker("w@one", "shopimg-bulk")
    found = _forecast()
    assert found is not None
    assert (found.looked_at, found.seconds) == (2, pytest.approx(4 * (0.02 + 1 / 2)))


@pytest.mark.django_db
def test_forecast__reads_no_file_whose_size_a_job_knows(answering: list[str]) -> None:
    (photo,) = _catalogue((200, 100))
    request_enhancement(photo)
    EnhancementJob.objects.update(source_width=3000, source_height=1000)
    photo.file.storage.delete(photo.file.name)
    _worker("w@one", "shopimg-bulk")
    found = _forecast(force=True)
    assert found is not None
    assert found.largest == (3000, 1000)


@pytest.mark.django_db
def test_forecast__asks_for_all_known_sizes_at_once(answering: list[str]) -> None:
    def queries_of_a_forecast() -> int:
        with CaptureQueriesContext(connection) as queries:
            _forecast(force=True)
        return len(queries)

    _worker("w@one", "shopimg-bulk")
    request_enhancement(_catalogue((50, 50))[0])
    for_one = queries_of_a_forecast()
    for photo in _catalogue((50, 60), (50, 70), (50, 80)):
        request_enhancement(photo)
    assert queries_of_a_forecast() == for_one


@pytest.mark.django_db
def test_forecast__says_that_no_upload_can_be_read(answering: list[str]) -> None:
    (photo,) = _catalogue((200, 100))
    photo.file.storage.delete(photo.file.name)
    with pytest.raises(NoForecastError, match="no upload could be read"):
        _forecast()


@pytest.mark.django_db
def test_forecast__asks_who_answers_sooner(
    answering: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _catalogue((200, 100))
    _worker("bulk@one", "shopimg-bulk")
    monkeypatch.setattr(wakeup, "waiting", lambda queue: 500)
    _forecast()
    _worker("fast@one", "shopimg")
    _forecast()
    assert answering == ["shopimg-bulk", "shopimg"]


@pytest.mark.django_db
def test_forecast__says_that_the_enhancer_does_not_predict(
    answering: list[str], settings: LazySettings
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": "shopimg.backends.echo.EchoEnhancer"}
    _catalogue((200, 100))
    _worker("w@one", "shopimg-bulk")
    with pytest.raises(NoForecastError, match=r"EchoEnhancer does not predict what jobs cost"):
        _forecast()
    assert not CostQuestion.objects.exists()


@pytest.mark.django_db
def test_forecast__says_what_no_contract_allows(
    answering: list[str], settings: LazySettings
) -> None:
    enhancer = "tests.testapp.enhancers.RaisingEnhancer"
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": enhancer}
    _catalogue((200, 100))
    _worker("w@one", "shopimg-bulk")
    with pytest.raises(NoForecastError, match="ZeroDivisionError: header  damaged"):
        _forecast()


@pytest.mark.django_db
def test_forecast__gives_up_on_a_worker_that_does_not_answer(
    answering: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _catalogue((200, 100))
    _worker("w@one", "shopimg-bulk")
    monkeypatch.setattr(wakeup, "send_cost_question", lambda *_, **__: True)
    monkeypatch.setattr(forecasts, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(NoForecastError, match="no worker has answered within 0 seconds"):
        _forecast()


@pytest.mark.django_db
def test_answer__is_given_once_and_only_while_somebody_waits(answering: list[str]) -> None:
    question = CostQuestion.objects.create(
        recipe="clean", recipe_table={"main": {"steps": [{"step": "restore"}]}}, sizes=[[10, 20]]
    )
    forecasts.answer(question.pk)
    question.refresh_from_db()
    cost = {"seconds": pytest.approx(2e-4), "warm_up_seconds": 1.0, "peak_bytes": 800.0}
    assert question.answer == {"costs": [cost], "jobs_at_once": 2}
    CostQuestion.objects.update(sizes=[[1, 1]])
    forecasts.answer(question.pk)
    question.refresh_from_db()
    assert question.answer["costs"] == [cost]
    question.delete()
    forecasts.answer(question.pk)


@pytest.fixture
def host(transactional_db: None, redis_server: RedisServer, tmp_path: Path) -> Iterator[Host]:
    url = f"redis://127.0.0.1:{redis_server.port}/6"
    with using_broker(url):
        yield Host(tmp_path, url, database_of_tests())


def test_reprocess__is_told_by_a_real_worker_what_a_run_would_cost(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    _catalogue((200, 100), (400, 100))
    with host.worker(FORECASTING, beat=False):
        # The sweep of a worker that starts asks for jobs of its own: only --force counts these too.
        call_command("shopimg_reprocess", "--estimate", "--force")
        assert WorkerHeartbeat.objects.get().processes == 1
    said = capsys.readouterr().out.splitlines()
    assert said[1] == (
        "A worker predicts about 2 seconds of computing, 2 seconds with the workers there are "
        "(one job at a time)."
    )
    assert said[2].startswith("The largest job, of 400x100 pixels, needs about 0 MB beyond an idle")
    assert not CostQuestion.objects.exists()
