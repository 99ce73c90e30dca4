"""The whole path in one go: upload, enhance, review, publish, look at the storefront, measure."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import click
from django.contrib.auth.models import AbstractUser
from django.core.management import CommandError, call_command
from django.test import Client

from demoshop.catalogue import Sample
from demoshop.demo import accounts, contact_sheet, processes, report, seeding, waiting, workspace
from demoshop.demo.seeding import Upload
from demoshop.models import Product
from shopimg.models import EnhancedVariant
from shopimg.services import reviews

RENDITION_SECONDS = 120


def run(*, approve: int, photos: int | None, timeout_seconds: float) -> None:
    """Run the demo from an empty shop.

    Args:
        approve: how many drafts the reviewer approves; the others wait in the review queue.
        photos: how many photographs are uploaded; all of them by default.
        timeout_seconds: time for all photographs together.

    Raises:
        CommandError: a job failed, or a photograph did not get better; says which.
    """
    start = time.monotonic()
    with processes.terminable(), workspace.reserved() as folder:
        workspace.clear()
        call_command("migrate", verbosity=0)
        reviewer = accounts.create_users(folder)
        products = seeding.seed_products()[:photos]
        log = folder / "worker.log"
        try:
            with processes.running(processes.worker(), log) as worker:
                uploads = _upload(products)
                waiting.wait_for_jobs(uploads, worker, timeout_seconds=timeout_seconds)
                _review(uploads[:approve], reviewer, worker)
        except waiting.WaitingError as err:
            raise CommandError(f"{err} The end of {log}:\n\n{processes.tail(log)}") from err
        rows = [report.measure(upload) for upload in uploads]
        report.write_json(rows, folder / "report.json")
        contact_sheet.write(uploads, rows, folder / "contact-sheet.png")
        click.echo(report.table(rows))
        click.echo(f"\n{folder / 'report.json'}\n{folder / 'contact-sheet.png'}")
    judge(rows)
    seconds = round(time.monotonic() - start)
    click.echo(f"All {len(rows)} photographs are better than their uploads ({seconds} s in all).")
    click.echo("See and review them in a browser: make serve")


def _upload(products: Sequence[tuple[Sample, Product]]) -> list[Upload]:
    with click.progressbar(products, label="Uploading", show_pos=True) as bar:
        return [seeding.upload(sample, product) for sample, product in bar]


def _review(
    uploads: Sequence[Upload], reviewer: AbstractUser, worker: subprocess.Popen[bytes]
) -> None:
    """Approve the drafts, and see that customers get them in every size."""
    for upload in uploads:
        variants = _approve(upload, reviewer)
        for variant in variants:
            waiting.wait_for_renditions(variant, worker, timeout_seconds=RENDITION_SECONDS)
        _check_storefront(upload, variants)


def _approve(upload: Upload, reviewer: AbstractUser) -> list[EnhancedVariant]:
    """Approve a draft of each role as the review screen does; other candidates give way."""
    drafts = list(EnhancedVariant.objects.for_source(upload.image).awaiting_review())
    roles = sorted({draft.role for draft in drafts})
    if report.MAIN not in roles:
        raise waiting.WaitingError(f"There is no draft of {upload.sample.name} to approve.")
    chosen = [report.variant_of(drafts, role) for role in roles]
    note = "Approved by the demo."
    return [reviews.approve(draft, by=reviewer, note=note) for draft in chosen if draft]


def _check_storefront(upload: Upload, variants: Sequence[EnhancedVariant]) -> None:
    """Look at the product page as a customer: the new pictures have to be there."""
    response = Client(SERVER_NAME="localhost").get(upload.image.product.get_absolute_url())
    for variant in variants:
        url = variant.published_url or ""
        if response.status_code != 200 or url not in response.text:
            raise CommandError(f"The product page of {upload.sample.name} does not show {url}.")
    roles = ", ".join(variant.role for variant in variants)
    click.echo(f"{upload.sample.name}: {roles} approved, published, and on its product page")


def judge(rows: Sequence[report.Row]) -> None:
    """Complain about every photograph that did not get better."""
    worse = [f"{row.name} ({row.status})" for row in rows if not row.improved]
    if worse:
        raise CommandError(f"Not better than the upload: {', '.join(worse)}.")
