"""Hold what a storefront shows against the rules of a market, and ask for what would mend it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Count, Model
from django.utils.translation import gettext as _

from shopimg import recipes, sources, storage
from shopimg.contract import (
    CapacityError,
    EnhancementError,
    Recipe,
    RecipeError,
    SourceMissingError,
    StorageUnavailableError,
)
from shopimg.measuring import measure
from shopimg.models import EnhancedVariant
from shopimg.presets.checking import Finding, Status, Subject, check, worst
from shopimg.presets.operations import operations_done
from shopimg.presets.rules import Fact, Preset
from shopimg.presets.target import check_allowed, target
from shopimg.services import batches, pictures, publishing, sending
from shopimg.services.requests import Order
from shopimg.sources import Source

BATCH_SIZE = 20
"""Images whose findings are kept at one time; files are read one by one."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What is to be audited, and by which rules."""

    preset: Preset
    """The market."""
    day: date
    """Whose rules are meant."""
    model: str | None = None
    """``app.Model``; every watched model by default."""
    role: str | None = None
    """Role of the published variant to look at; the one that storefronts show by default."""
    is_main: bool = True
    """Whether the images are to be main images of their products."""
    group_by: str = ""
    """Field that images of one product have in common, to count them by."""
    limit: int | None = None
    """Most images."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What became of one image."""

    image: Model
    """Row of a watched model."""
    file: str
    """Name of the file that was looked at, in its storage."""
    is_published: bool
    """Whether that is a published variant; else it is the original."""
    findings: tuple[Finding, ...] = ()
    """One for each rule that says something about the image."""
    problem: str = ""
    """Why the file could not be measured; then there are no findings."""

    @property
    def status(self) -> Status:
        """The worst of its findings; a file that cannot be measured fails."""
        return Status.FAIL if self.problem else worst(found.status for found in self.findings)

    def is_fixable(self, statuses: Collection[Status], beyond: Collection[Fact]) -> bool:
        """Tell whether a recipe may mend it: none can read what is broken.

        Args:
            statuses: what counts as something to mend.
            beyond: what the recipe does not mend.
        """
        bad = (found.rule.fact for found in self.findings if found.status in statuses)
        return any(fact not in beyond for fact in bad)


def count(audit: Audit) -> int:
    """Return how many images an audit is about.

    Raises:
        LookupError: the model is not watched, or has no such field to group by, or nothing makes
            the role.
    """
    pictures.check_role(audit.role)
    total = sum(source.with_file().count() for source in _checked_sources(audit))
    return total if audit.limit is None else min(total, audit.limit)


def run(audit: Audit) -> Iterator[list[Audited]]:
    """Audit images in batches, in the order of their keys; changes nothing.

    Raises:
        LookupError: the model is not watched, or has no such field to group by.
        CapacityError: the storage is down; a single file that cannot be read is a problem of its
            image.
    """
    left = audit.limit
    outage = batches.Outage()
    for source in _checked_sources(audit):
        for batch in _batches(source, left):
            yield _audit_batch(audit, source, batch, outage)
            left = None if left is None else left - len(batch)


def fixing_recipe(audit: Audit, name: str = "") -> Recipe:
    """Return the recipe that makes what an audit looks for; a built-in one aims at the market.

    Args:
        audit: whose market, and for which role.
        name: a recipe of the shop's own, in place of the preset's.

    Raises:
        RecipeError: there is no such recipe or role, or the market refuses what it makes.
    """
    recipe = recipes.get_recipe(name or audit.preset.fix)
    if not name:
        recipe = target(recipe, audit.preset)
    roles = [role for role in recipe.roles if audit.role in (None, role.name)]
    if not roles:
        known = ", ".join(role.name for role in recipe.roles)
        raise RecipeError(
            f"The recipe {recipe.name!r} makes {known}, and no {audit.role}: name another recipe."
        )
    for role in roles:
        check_allowed(role, audit.preset, is_main=audit.is_main)
    return recipe


def beyond_fixing(audit: Audit, name: str = "") -> frozenset[Fact]:
    """Return what the recipe of ``fixing_recipe`` does not mend; one of the shop's own may do more.

    None adds images, and none of the built-in ones makes anything larger where the market refuses
    that.

    Args:
        audit: whose market.
        name: a recipe of the shop's own, in place of the preset's.
    """
    scales = bool(name or audit.preset.target.side)
    sizes = () if scales else (Fact.SHORTEST_SIDE, Fact.LONGEST_SIDE, Fact.FILL)
    return frozenset({Fact.IMAGES, *sizes})


def role_to_look_at(audit: Audit, recipe: Recipe) -> str:
    """Return the role by which an audit will see what a recipe makes; empty where it does so as is.

    Where nobody names a role, a storefront shows the first one of the watched model's own recipe.
    """
    made = {role.name for role in recipe.roles}
    shown = {recipes.main_role(source.recipe) for source in _checked_sources(audit)}
    return "" if audit.role or shown <= made else recipe.roles[0].name


def queue_fixes(images: Sequence[Model], recipe: Recipe) -> int:
    """Ask for images to be enhanced by a recipe, on the bulk queue.

    Returns:
        How many jobs were queued; the others had been asked for before.

    Raises:
        CapacityError: the storage is down.
    """
    wanted = batches.describe(images, Order(base=recipe, bulk=True))
    with transaction.atomic():
        placed = batches.place(wanted, force=False)
    sending.top_up_bulk()
    return placed.queued


def _checked_sources(audit: Audit) -> list[Source]:
    chosen = sources.chosen(audit.model)
    for source in chosen if audit.group_by else ():
        columns = sources.columns_of(source.model)
        if audit.group_by not in columns:
            raise LookupError(
                f"{source.label} has no field {audit.group_by!r} to group by. Name the model that "
                f"has one with --model, or one of {', '.join(sorted(columns))}."
            )
    return chosen


def _batches(source: Source, limit: int | None) -> Iterator[list[Model]]:
    rows = source.with_file().order_by("pk")
    after = rows
    while limit is None or limit > 0:
        size = BATCH_SIZE if limit is None else min(BATCH_SIZE, limit)
        batch = list(after[:size])
        if not batch:
            return
        yield batch
        limit = None if limit is None else limit - len(batch)
        after = rows.filter(pk__gt=batch[-1].pk)


def _audit_batch(
    audit: Audit, source: Source, batch: Sequence[Model], outage: batches.Outage
) -> list[Audited]:
    shown = publishing.images_to_show(batch, audit.role)
    numbers = _images_of_products(source, batch, audit.group_by)
    return [
        _audit(audit, source, image, what.variant, numbers.get(image.pk), outage)
        for image, what in zip(batch, shown, strict=True)
    ]


def _audit(
    audit: Audit,
    source: Source,
    image: Model,
    variant: EnhancedVariant | None,
    images: int | None,
    outage: batches.Outage,
) -> Audited:
    name = variant.published_name if variant else source.file_of(image).name or ""
    try:
        measured = measure(_read(source, image, variant))
        outage.read()
    except CapacityError as err:
        outage.unread(err)
        return Audited(image, name, variant is not None, problem=str(err))
    except EnhancementError as err:
        outage.read()
        return Audited(image, name, variant is not None, problem=str(err))
    done = operations_done(variant.provenance) if variant else frozenset()
    subject = Subject(measured, done, images, audit.is_main)
    findings = check(subject, audit.preset, audit.day)
    return Audited(image, name, variant is not None, tuple(findings))


def _read(source: Source, image: Model, variant: EnhancedVariant | None) -> bytes:
    if variant is None:
        return sources.read_bytes(source, image)
    try:
        return storage.read_published(variant.published_name)
    except FileNotFoundError as err:
        raise SourceMissingError("The published file is not in the storage.") from err
    except OSError as err:
        message = _("The storage does not answer. Try again.")
        raise StorageUnavailableError(message, detail=str(err)) from err


def _images_of_products(source: Source, batch: Sequence[Model], group_by: str) -> Mapping[Any, int]:
    """Count the images of the product of each image, one query; none without a field."""
    if not group_by:
        return {}
    products = {image.pk: sources.group_of(image, group_by) for image in batch}
    wanted = set(products.values()) - {None}
    rows = source.with_file().filter(**{f"{group_by}__in": wanted}).order_by()
    numbers = dict(rows.values_list(group_by).annotate(Count("pk")))
    return {key: numbers[product] for key, product in products.items() if product in numbers}
