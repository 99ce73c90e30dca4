"""The shop's own admin: from a product to what becomes of its photographs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from demoshop.models import Product
from shopimg.services.requests import request_enhancement
from tests import builders

pytestmark = pytest.mark.django_db


def test_product_page__leads_from_each_photo_to_its_review_and_jobs(
    make_product: Callable[..., Product],
) -> None:
    product = make_product()
    image = product.images.get()
    request_enhancement(image)
    variant = builders.draft(image)
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    page = client.get(reverse("admin:demoshop_product_change", args=[product.pk]))
    html = page.content.decode()
    assert html.count("Job history") == 1
    review = reverse("admin:shopimg_enhancedvariant_review", args=[variant.pk])
    assert client.get(review).status_code == 200
    assert f'href="{review}"' in html


def test_page__that_an_account_may_not_see_leads_back(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("rosa", is_staff=True))
    refused = client.get("/admin/shopimg/workerheartbeat/")
    assert refused.status_code == 403
    assert 'href="/admin/">Back to the staff pages</a>' in refused.content.decode()
