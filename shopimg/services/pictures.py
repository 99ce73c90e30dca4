"""What a storefront shows for an image, described once for the template tag and the API."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Model

from shopimg import recipes, renditions, sources, storage
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.querysets import source_key
from shopimg.services import publishing

_ATTRIBUTE = "shopimg_pictures"
_Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One file of a ``srcset``."""

    url: str
    """Public address."""
    width: int
    """Pixels."""


@dataclass(frozen=True, slots=True)
class PictureSource:
    """One ``<source>``: the same picture in several sizes of one format."""

    mime_type: str
    """Media type of every file."""
    files: tuple[PictureFile, ...]
    """Smallest first."""

    @property
    def srcset(self) -> str:
        """Value of the HTML attribute."""
        return ", ".join(f"{file.url} {file.width}w" for file in self.files)


@dataclass(frozen=True, slots=True)
class Picture:
    """One image as shoppers see it: the published variant, else the original."""

    original_url: str
    """Address of the uploaded file; empty where there is none."""
    alt: str
    """Text for people who cannot see the picture."""
    variant: EnhancedVariant | None
    """The published variant, or None: then the original is shown."""
    url: str
    """Address of the file to show; empty where there is none."""
    width: int | None
    """Pixels, or None where nobody has measured the original yet."""
    height: int | None
    """Pixels, or None where nobody has measured the original yet."""
    sources: tuple[PictureSource, ...] = ()
    """Responsive sizes, best format first; none before the worker has written them."""
    shows_current_upload: bool = True
    """False where the photo has been replaced since: shoppers see what was made of the one before,
    until somebody approves a result of the new one. Told by the names of the files."""
    original_size: _Size | None = None
    """Pixels of the uploaded file as people see it, where they were asked for and are known."""
    roles: tuple[Picture, ...] = ()
    """All that is published for the image, the recipe's first role first, then the newest."""

    @property
    def role(self) -> str:
        """Role of the published variant; empty for the original."""
        return self.variant.role if self.variant else ""

    def in_role(self, role: str | None) -> Picture:
        """Return the picture of the same image in another role, else the original.

        Args:
            role: role of the recipe; None for what is shown by default.
        """
        found = (one for one in self.roles if role in (None, one.role))
        return dataclasses.replace(next(found, self.original), roles=self.roles)

    @property
    def original(self) -> Picture:
        """The uploaded file, in the place of what was made of it."""
        width, height = self.original_size or (None, None)
        return dataclasses.replace(
            self,
            variant=None,
            url=self.original_url,
            width=width,
            height=height,
            sources=(),
            shows_current_upload=True,
        )


def pictures_of(
    instances: Iterable[Model], role: str | None = None, *, measured: bool = False
) -> list[Picture]:
    """Describe what a storefront shows for several images, in their order.

    One query, and a second one for sizes of originals where any are asked for.

    Args:
        instances: rows of watched models.
        role: role of the recipe; see ``images_to_show``.
        measured: ask for the size of every original, not only where it is what is shown.
    """
    instances = list(instances)
    shown = publishing.images_to_show(instances, role)
    sizes = sizes_of_originals(
        [
            instance
            for instance, what in zip(instances, shown, strict=True)
            if what.original_url and (measured or what.variant is None)
        ]
    )
    return [
        _described(what, sizes.get(id(instance)))
        for instance, what in zip(instances, shown, strict=True)
    ]


def check_role(role: str | None) -> None:
    """Refuse a role that has been misspelt: originals would be shown in its place, unseen.

    Args:
        role: as ``pictures_of`` takes it.

    Raises:
        LookupError: no recipe makes the role, and nothing of it is published from earlier ones.
    """
    if role is None:
        return
    made = {role.name for recipe in recipes.all_recipes().values() for role in recipe.roles}
    if role in made:
        return
    # PostgreSQL has no text with a zero byte in it.
    if "\0" in role or not EnhancedVariant.objects.published().filter(role=role).exists():
        raise LookupError(f"Nothing makes the role {role!r}. Known: {', '.join(sorted(made))}.")


def prefetch(instances: Iterable[Model | None]) -> None:
    """Describe many images at once and keep the descriptions on the instances: two queries.

    ``picture_of`` and ``{% product_picture %}`` then need none for them, in whatever role. Missing
    images are passed over, so that ``[product.main_image for product in products]`` may be given.
    """
    existing = [instance for instance in instances if instance is not None]
    for instance, picture in zip(existing, pictures_of(existing, measured=True), strict=True):
        instance.__dict__[_ATTRIBUTE] = picture


def picture_of(instance: Model, role: str | None = None) -> Picture:
    """Describe what a storefront shows for one image, without a query after ``prefetch``."""
    known: Picture | None = instance.__dict__.get(_ATTRIBUTE)
    return pictures_of([instance], role)[0] if known is None else known.in_role(role)


def roles_of(instance: Model) -> tuple[Picture, ...]:
    """Describe all that is published for an image, the recipe's first role first, then the newest.

    ``picture_of`` and ``{% product_picture %}`` then need no query for any of the roles.
    """
    if _ATTRIBUTE not in instance.__dict__:
        prefetch([instance])
    return picture_of(instance).roles


def _described(shown: publishing.Shown, original_size: _Size | None) -> Picture:
    if shown.variant is None:
        picture = _original(shown, original_size)
    else:
        picture = _published(shown, shown.variant, original_size)
    roles = tuple(_published(shown, variant, original_size) for variant in shown.roles)
    return dataclasses.replace(picture, roles=roles)


def _published(
    shown: publishing.Shown, variant: EnhancedVariant, original_size: _Size | None
) -> Picture:
    return Picture(
        original_url=shown.original_url,
        alt=shown.alt,
        variant=variant,
        url=variant.published_url or "",
        width=variant.width,
        height=variant.height,
        sources=_responsive(variant),
        shows_current_upload=shown.file_name in ("", variant.job.source_name),
        original_size=original_size,
    )


def _original(shown: publishing.Shown, size: _Size | None) -> Picture:
    width, height = size or (None, None)
    url = shown.original_url
    return Picture(url, shown.alt, None, url, width, height, original_size=size)


def _responsive(variant: EnhancedVariant) -> tuple[PictureSource, ...]:
    if variant.renditions_at is None:
        # The worker has yet to write the files, and an address that answers 404 shows nothing.
        return ()
    files = storage.published()
    return tuple(
        PictureSource(mime_type, tuple(PictureFile(files.url(f.name), f.width) for f in found))
        for mime_type, found in renditions.sources(variant).items()
    )


def sizes_of_originals(instances: Sequence[Model]) -> dict[int, _Size]:
    """Return ``id(instance) -> pixels`` from the job rows.

    The job row knows the size as people see it. A host's ``width_field`` does not: it ignores the
    EXIF orientation, and would distort a photograph that was taken with a turned camera.
    """
    if not instances:
        return {}
    rows = EnhancementJob.objects.for_sources(instances).filter(source_width__gt=0)
    measured = {
        (source_type, source_id, name): (width, height)
        for source_type, source_id, name, width, height in rows.order_by().values_list(
            "source_type_id", "source_id", "source_name", "source_width", "source_height"
        )
    }
    return {
        id(instance): measured[_upload_key(instance)]
        for instance in instances
        if _upload_key(instance) in measured
    }


def _upload_key(instance: Model) -> tuple[int, str, str]:
    key = source_key(instance)
    file = sources.source_for(type(instance)).file_of(instance)
    return key["source_type"].pk, key["source_id"], str(file.name)
