"""The shop's own admin: products with their photographs."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from demoshop.models import Product, ProductImage, ProductQuerySet
from demoshop.templatetags.money import money
from shopimg.admin.links import EnhancementLinks


def thumbnail(image: ProductImage | None, size: int) -> str:
    """Show a photograph in a square of ``size`` CSS pixels."""
    if image is None or not image.original:
        return "-"
    return format_html(
        '<img src="{}" alt="{}" width="{}" height="{}" class="demoshop-thumbnail">',
        image.original.url,
        image.alt,
        size,
        size,
    )


class ProductImageInline(EnhancementLinks, admin.TabularInline):  # type: ignore[type-arg]
    model = ProductImage
    extra = 1
    fields = ("preview", "original", "alt", "position")
    readonly_fields = ("preview",)

    @admin.display(description=_("preview"))
    def preview(self, image: ProductImage) -> str:
        return thumbnail(image, 120)


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("picture", "name", "category", "amount", "photos")
    list_display_links = ("picture", "name")
    list_filter = ("category",)
    search_fields = ("name", "short_description")
    prepopulated_fields: ClassVar = {"slug": ["name"]}
    inlines = (ProductImageInline,)

    class Media:
        css: ClassVar = {"all": ["demoshop/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        products = super().get_queryset(request)
        return products.with_images() if isinstance(products, ProductQuerySet) else products

    @admin.display(description=_("photo"))
    def picture(self, product: Product) -> str:
        return thumbnail(product.main_image, 64)

    @admin.display(description=_("price"), ordering="price")
    def amount(self, product: Product) -> str:
        return money(product.price, product.currency)

    @admin.display(description=_("photos"))
    def photos(self, product: Product) -> int:
        return len(product.images.all())
