"""What the demo shop sells: products and their photographs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class Category(models.TextChoices):
    KITCHEN = "kitchen", _("Kitchen & table")
    HOME = "home", _("Home")
    WEAR = "wear", _("Wear")
    SOUND = "sound", _("Sound")
    PLAY = "play", _("Play & read")


class Currency(models.TextChoices):
    EUR = "EUR", _("Euro")
    GBP = "GBP", _("Pound sterling")
    USD = "USD", _("US dollar")


class ProductQuerySet(models.QuerySet["Product"]):
    def with_images(self) -> ProductQuerySet:
        """Fetch all photographs of all products in one more query."""
        return self.prefetch_related("images")


class Product(models.Model):
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("slug"), max_length=140, unique=True)
    category = models.CharField(_("category"), max_length=20, choices=Category, db_index=True)
    price = models.DecimalField(
        _("price"), max_digits=9, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    currency = models.CharField(_("currency"), max_length=3, choices=Currency, default=Currency.EUR)
    short_description = models.CharField(_("short description"), max_length=160)
    description = models.TextField(_("description"), blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    images: RelatedManager[ProductImage]
    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ("position", "id")
        verbose_name = _("product")
        verbose_name_plural = _("products")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("product", args=[self.slug])

    @property
    def main_image(self) -> ProductImage | None:
        """The first photograph; costs no query after ``with_images``."""
        return next(iter(self.images.all()), None)


class ProductImage(models.Model):
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="images", verbose_name=_("product")
    )
    original = models.ImageField(_("photo"), upload_to="originals/%Y/%m/")
    alt = models.CharField(
        _("alternative text"), max_length=200, help_text=_("What a blind customer should know.")
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering = ("position", "id")
        verbose_name = _("product photo")
        verbose_name_plural = _("product photos")

    def __str__(self) -> str:
        return self.alt
