"""The storefront: product list, product page and cart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.db.models import Case, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import DetailView, ListView

from demoshop.cart import MAX_QUANTITY, Cart
from demoshop.models import Category, Product, ProductImage, ProductQuerySet

_QUANTITY = re.compile(r"[0-9]{1,10}")


class ProductList(ListView):  # type: ignore[type-arg]
    template_name = "demoshop/product_list.html"
    context_object_name = "products"

    def get_queryset(self) -> ProductQuerySet:
        products = Product.objects.with_images()
        category = self.kwargs.get("category")
        if category is None:
            return products
        if category not in Category:
            raise Http404
        return products.filter(category=category)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        category = self.kwargs.get("category")
        return super().get_context_data(
            category=category,
            category_label=Category(category).label if category else None,
            all_products=category is None,
            main_images=_main_images(self.object_list),
            **kwargs,
        )


class ProductPage(DetailView):  # type: ignore[type-arg]
    template_name = "demoshop/product_page.html"
    context_object_name = "product"

    def get_queryset(self) -> ProductQuerySet:
        return Product.objects.with_images()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        others = _nearest(Product.objects.exclude(pk=self.object.pk), self.object)
        shown_images = [*self.object.images.all(), *_main_images(others)]
        return super().get_context_data(others=others, shown_images=shown_images, **kwargs)


def _nearest(products: ProductQuerySet, product: Product) -> list[Product]:
    """Return four more products, those of the same category first."""
    foreign = Case(When(category=product.category, then=0), default=1)
    return list(products.with_images().order_by(foreign, "position", "id")[:4])


def _main_images(products: Iterable[Product]) -> list[ProductImage | None]:
    """Return what a list of products shows, for the template to look up at once."""
    return [product.main_image for product in products]


@require_GET
def cart_page(request: HttpRequest) -> HttpResponse:
    lines = Cart(request.session).lines()
    context = {
        "lines": lines,
        "main_images": _main_images(line.product for line in lines),
        "total": sum(line.total for line in lines),
        "currency": lines[0].product.currency if lines else "",
        "max_quantity": MAX_QUANTITY,
    }
    return render(request, "demoshop/cart.html", context)


@require_POST
def cart_add(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_object_or_404(Product, slug=slug)
    Cart(request.session).add(product)
    messages.success(request, _("%(product)s is in your cart.") % {"product": product.name})
    return redirect(product)


@require_POST
def cart_change(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_object_or_404(Product, slug=slug)
    quantity = request.POST.get("quantity", "")
    if _QUANTITY.fullmatch(quantity):
        Cart(request.session).change(product, int(quantity))
    return redirect("cart")


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a page that does not exist, with a way on."""
    return render(request, "demoshop/404.html", status=HTTPStatus.NOT_FOUND)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a page that an account may not see, with a way back."""
    return render(request, "demoshop/403.html", status=HTTPStatus.FORBIDDEN)
