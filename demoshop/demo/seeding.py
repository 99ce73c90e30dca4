"""Fills the shop: products of the catalogue, and the photographs that a seller uploads for them."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.text import slugify
from PIL import Image

from demoshop.catalogue import Sample, samples
from demoshop.degrade import degrade
from demoshop.models import Product, ProductImage


@dataclass(frozen=True, slots=True)
class Upload:
    """One photograph in the shop, and the sample that it shows."""

    sample: Sample
    image: ProductImage


def seed_products() -> list[tuple[Sample, Product]]:
    """Put the catalogue into the shop afresh; products of an earlier run are replaced."""
    catalogue = samples()
    slugs = [slugify(sample.name) for sample in catalogue]
    with transaction.atomic():
        Product.objects.filter(slug__in=slugs).delete()
        return [
            (sample, _create(sample, slug, position))
            for position, (sample, slug) in enumerate(zip(catalogue, slugs, strict=True))
        ]


def _create(sample: Sample, slug: str, position: int) -> Product:
    return Product.objects.create(
        name=sample.name,
        slug=slug,
        category=sample.category,
        price=sample.price,
        short_description=sample.short_description,
        description=sample.description,
        position=position,
    )


def upload(sample: Sample, product: Product) -> Upload:
    """Save a seller's photograph as any form would: the hook of shopimg does the rest."""
    with Image.open(sample.clean_path) as clean:
        photo = degrade(clean, seed=product.position)
    file = ContentFile(photo, name=f"{sample.photo}.jpg")
    image = ProductImage.objects.create(product=product, original=file, alt=sample.alt)
    return Upload(sample, image)
