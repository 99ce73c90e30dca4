"""The Celery tasks: short doors to the services. Messages carry one id and are never trusted."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from shopimg.models import EnhancedVariant
from shopimg.services import cleaning, forecasts, publishing, queueing, running, sweeping


@shared_task(ignore_result=True)
def run_job(job_id: str) -> None:
    """Run one attempt at a job, if it is due and nobody else has it."""
    running.run(job_id)


@shared_task(ignore_result=True)
def sweep_jobs() -> None:
    """Repair what crashes and lost messages left behind; runs every few seconds on beat."""
    sweeping.sweep()


# Acknowledged at once: a large storage takes longer to read than a broker waits for a task, and a
# clean-up that was lost is done the next night.
@shared_task(ignore_result=True, acks_late=False, time_limit=6 * 3600)
def clean_up() -> None:
    """Delete and withdraw what nothing refers to any more; runs every night on beat."""
    cleaning.clean_up()


@shared_task(ignore_result=True)
def queue_bulk_run(run_id: str) -> None:
    """Queue the images of a run that was asked for over HTTP, for a while."""
    queueing.advance(UUID(run_id))


@shared_task(ignore_result=True)
def answer_cost_question(question_id: str) -> None:
    """Say what jobs would cost on this machine; whoever asks waits for the row."""
    forecasts.answer(question_id)


@shared_task(ignore_result=True)
def make_renditions(variant_id: str) -> None:
    """Write the responsive sizes of a published variant, unless another message has done so."""
    published = EnhancedVariant.objects.published()
    variant = published.filter(pk=variant_id, renditions_at=None).first()
    if variant is not None:
        publishing.make_renditions(variant)


@shared_task(ignore_result=True)
def delete_files(variant_id: str) -> None:
    """Delete the public files of a variant that was withdrawn."""
    publishing.delete_public_files(EnhancedVariant.objects.get(pk=variant_id))
