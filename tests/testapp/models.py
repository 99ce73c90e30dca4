"""Photographs of the host shop of the tests."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Photo(models.Model):
    """A photograph that every member of the staff may see."""

    name = models.CharField(max_length=100, default="Mug, blue")
    file = models.ImageField(upload_to="photos/")

    def __str__(self) -> str:
        return self.name


class PhotoProxy(Photo):
    """The same rows as ``Photo``, for another list of the admin."""

    class Meta:
        proxy = True


class Panorama(Photo):
    """A photograph with a table of its own beside the one of ``Photo``."""

    degrees = models.PositiveSmallIntegerField(default=360)


class OwnedPhoto(models.Model):
    """A photograph of one merchant among several."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100, default="Vase, white")
    file = models.ImageField(upload_to="owned/")

    def __str__(self) -> str:
        return self.name


class UnwatchedPhoto(models.Model):
    """A photograph that is none of shopimg's business."""

    file = models.ImageField(upload_to="unwatched/")

    def __str__(self) -> str:
        return str(self.file)
