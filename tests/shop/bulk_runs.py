"""Catalogues of photographs, and runs over them."""

from __future__ import annotations

from shopimg.models import BulkRun
from shopimg.services import bulk
from shopimg.services.bulk import Selection
from tests import builders
from tests.testapp.models import Photo


def catalogue(number: int, *, known: bool = True) -> list[Photo]:
    """Store photographs, all of them different, with or without a job."""
    storage = Photo._meta.get_field("file").storage
    names = [
        storage.save(f"photos/{i}.jpg", builders.upload(builders.picture(colour=(i, 7, 7))))
        for i in range(number)
    ]
    if known:
        return [Photo.objects.create(file=name) for name in names]
    return Photo.objects.bulk_create([Photo(file=name) for name in names])


def run_to_end(selection: Selection, size: int = 1000) -> BulkRun:
    """Start a run and queue all of its jobs."""
    run = bulk.start(selection)
    list(bulk.advance(run, size))
    return run
