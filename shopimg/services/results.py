"""What a job has made: its files, its drafts, and the older drafts that give way to them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from shopimg import signals, storage
from shopimg.contract import EnhancedImage
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import ReviewState


def stored(job: EnhancementJob, image: EnhancedImage) -> EnhancedVariant:
    """Write the files of a result, and describe it in a row that is not saved yet.

    Raises:
        OSError: the storage did not take them.
    """
    return EnhancedVariant(
        job=job,
        source_type=job.source_type,
        source_id=job.source_id,
        role=image.role,
        candidate=image.candidate,
        draft_name=storage.save_draft(image.content, image.mime_type),
        mask_name=storage.save_mask(image.mask) if image.mask else "",
        digest=hashlib.sha256(image.content).hexdigest(),
        size_bytes=len(image.content),
        width=image.width,
        height=image.height,
        mime_type=image.mime_type,
        quality=dict(image.quality),
        provenance={
            "digital_source_type": image.digital_source_type,
            "operations": [
                {"name": step.name, "seconds": round(step.seconds, 3), **step.details}
                for step in image.steps
            ],
            "weights": dict(image.weights),
        },
    )


def place(job: EnhancementJob, variants: Sequence[EnhancedVariant]) -> None:
    """Put drafts into the line of review; call it in a transaction.

    Older drafts for the same places give way, so that nobody reviews them. A job that was asked for
    earlier may be done later: its own drafts give way then. So does what shoppers see already, byte
    for byte: a person has approved it.

    Args:
        job: that has made them.
        variants: from ``stored``.
    """
    waiting = EnhancedVariant.objects.awaiting_review().filter(
        source_type=job.source_type,
        source_id=job.source_id,
        role__in=[variant.role for variant in variants],
    )
    newer = waiting.filter(job__requested_at__gt=job.requested_at)
    late = set(newer.values_list("role", flat=True))
    waiting.exclude(role__in=late).supersede()
    settled = late | _shown_already(job, variants)
    for variant in variants:
        if variant.role in settled:
            variant.state = ReviewState.SUPERSEDED
    EnhancedVariant.objects.bulk_create(variants)
    for variant in variants:
        if variant.role not in settled:
            signals.send_after_commit(signals.variant_ready, variant=variant)


def _shown_already(job: EnhancementJob, variants: Sequence[EnhancedVariant]) -> set[str]:
    """Return the roles whose one result is what is published, made of the same upload."""
    candidates = Counter(variant.role for variant in variants)
    published = EnhancedVariant.objects.published().filter(
        source_type=job.source_type, source_id=job.source_id, job__source_digest=job.source_digest
    )
    shown = set(published.values_list("role", "digest"))
    return {
        variant.role
        for variant in variants
        if candidates[variant.role] == 1 and (variant.role, variant.digest) in shown
    }


def timings(images: Sequence[EnhancedImage]) -> dict[str, float]:
    """Return the seconds of each step, summed over all results."""
    seconds: dict[str, float] = {}
    for image in images:
        for step in image.steps:
            seconds[step.name] = round(seconds.get(step.name, 0.0) + step.seconds, 3)
    return seconds
