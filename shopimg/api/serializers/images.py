"""What a storefront shows: public, published only."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from shopimg.services.pictures import Picture, PictureSource


class PictureFileSerializer(serializers.Serializer[Any]):
    """One file of a format."""

    url = serializers.CharField()
    width = serializers.IntegerField(help_text="Pixels.")


class PictureSourceSerializer(serializers.Serializer[Any]):
    """The picture in several sizes of one format."""

    type = serializers.CharField(help_text="Media type.")
    srcset = serializers.CharField(help_text="Ready for the HTML attribute.")
    files = PictureFileSerializer(many=True, help_text="Smallest first.")


class PublishedSerializer(serializers.Serializer[Any]):
    """The variant that somebody has approved and published."""

    role = serializers.CharField(help_text="Role of the recipe.")
    url = serializers.CharField()
    width = serializers.IntegerField(help_text="Pixels.")
    height = serializers.IntegerField(help_text="Pixels.")
    mime_type = serializers.CharField()
    sources = PictureSourceSerializer(
        many=True, help_text="Best format first; empty until the worker has written the sizes."
    )
    shows_current_upload = serializers.BooleanField(
        help_text="False where the photo was replaced, and no result of the new one is approved."
    )


class OriginalSerializer(serializers.Serializer[Any]):
    """The uploaded file."""

    url = serializers.CharField()
    width = serializers.IntegerField(
        allow_null=True, help_text="Pixels; null where nobody has measured the file yet."
    )
    height = serializers.IntegerField(
        allow_null=True, help_text="Pixels; null where nobody has measured the file yet."
    )


class ProvenanceSerializer(serializers.Serializer[Any]):
    """What was done to the published picture."""

    digital_source_type = serializers.CharField(
        allow_blank=True, help_text="URI of IPTC's Digital Source Type; empty where unknown."
    )
    operations = serializers.ListField(child=serializers.CharField())
    weights = serializers.DictField(
        child=serializers.CharField(), help_text="Network -> sha256 of its weights."
    )


class RoleSerializer(PublishedSerializer):
    """What is published in one role, and what was done to it."""

    provenance = ProvenanceSerializer()


class ImageSerializer(serializers.Serializer[Any]):
    """One image of the shop, as shoppers may see it."""

    model = serializers.CharField(help_text="`app_label.model`, in lower case.")
    id = serializers.CharField(help_text="Primary key, as text.")
    alt = serializers.CharField(allow_blank=True)
    original = OriginalSerializer(allow_null=True)
    published = PublishedSerializer(allow_null=True)
    provenance = ProvenanceSerializer(allow_null=True)
    roles = RoleSerializer(
        many=True,
        help_text="All that is published: the recipe's first role, then the newest; empty where "
        "the request names a role.",
    )


def represent(picture: Picture, request: Request, *, roles: bool = True) -> dict[str, Any]:
    """Write a picture as ``ImageSerializer`` describes it, with absolute addresses.

    Args:
        picture: of one image.
        request: of the client.
        roles: whether the other roles are described too.
    """
    absolute = request.build_absolute_uri
    width, height = picture.original_size or (None, None)
    original = picture.original_url and {
        "url": absolute(picture.original_url),
        "width": width,
        "height": height,
    }
    return {
        "alt": picture.alt,
        "original": original or None,
        "published": _published(picture, request),
        "provenance": _provenance(picture),
        "roles": [
            {**(_published(one, request) or {}), "provenance": _provenance(one)}
            for one in (picture.roles if roles else ())
        ],
    }


def _published(picture: Picture, request: Request) -> dict[str, Any] | None:
    if picture.variant is None:
        return None
    return {
        "role": picture.variant.role,
        "url": request.build_absolute_uri(picture.url),
        "width": picture.width,
        "height": picture.height,
        "mime_type": picture.variant.mime_type,
        "sources": [_source(source, request) for source in picture.sources],
        "shows_current_upload": picture.shows_current_upload,
    }


def _source(source: PictureSource, request: Request) -> dict[str, Any]:
    files = [
        {"url": request.build_absolute_uri(file.url), "width": file.width} for file in source.files
    ]
    srcset = ", ".join(f"{file['url']} {file['width']}w" for file in files)
    return {"type": source.mime_type, "srcset": srcset, "files": files}


def _provenance(picture: Picture) -> dict[str, Any] | None:
    """Tell what was done, but not how long it took or where: that is the job's business."""
    if picture.variant is None:
        return None
    known = picture.variant.provenance
    return {
        "digital_source_type": known.get("digital_source_type", ""),
        "operations": [step["name"] for step in known.get("operations", [])],
        "weights": known.get("weights", {}),
    }
