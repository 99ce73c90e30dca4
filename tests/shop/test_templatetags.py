"""What ``{% product_picture %}`` writes into a page, and what it asks of the database."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.template import Context, Template, TemplateSyntaxError

from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import pictures, publishing, reviews
from tests import builders
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

PAGE = (
    "{% prefetch_pictures images %}{% for image in images %}{% product_picture image %}{% endfor %}"
)


class _Tags(HTMLParser):
    """Every tag with its attributes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def render(source: str, **context: Any) -> str:
    return Template("{% load shopimg %}" + source).render(Context(context)).strip()


def tags(source: str, **context: Any) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(render(source, **context))
    return parser.found


def published(size: tuple[int, int] = (1000, 750), photo: Photo | None = None) -> EnhancedVariant:
    (variant,) = builders.finished(photo or builders.photo(), [builders.enhanced(size)])
    reviews.approve(variant, by=builders.reviewer(f"editor of {variant.pk}"))
    return variant


def test_picture__published_with_all_sizes() -> None:
    variant = published()
    publishing.make_renditions(variant)
    found = tags('{% product_picture image sizes="50vw" class="hero" %}', image=variant.source)
    assert [tag for tag, _ in found] == ["picture", "source", "source", "source", "img"]
    sources = [attributes for tag, attributes in found if tag == "source"]
    assert [source["type"] for source in sources] == ["image/avif", "image/webp", "image/jpeg"]
    assert {source["sizes"] for source in sources} == {"50vw"}
    described = pictures.picture_of(variant.source)
    assert [source["srcset"] for source in sources] == [s.srcset for s in described.sources]
    assert found[-1][1] == {
        "src": f"/published/{variant.published_name}",
        "alt": "Mug, blue",
        "width": "1000",
        "height": "750",
        "loading": "lazy",
        "decoding": "async",
        "class": "hero",
    }


def test_picture__every_address_in_a_srcset_exists(storage_folders: dict[str, Any]) -> None:
    variant = published()
    publishing.make_renditions(variant)
    files = [
        file for source in pictures.picture_of(variant.source).sources for file in source.files
    ]
    assert files
    for file in files:
        name = file.url.removeprefix("/published/")
        assert (storage_folders["shopimg_published"] / name).is_file()


def test_picture__published_alone_until_the_sizes_are_written() -> None:
    variant = published()
    found = tags("{% product_picture image %}", image=variant.source)
    assert [tag for tag, _ in found] == ["picture", "img"]
    assert found[-1][1]["src"] == f"/published/{variant.published_name}"


def test_picture__original_with_its_size_when_nothing_is_published() -> None:
    variant = builders.draft(builders.photo(builders.picture((640, 480))))
    found = tags("{% product_picture image %}", image=variant.source)
    assert [tag for tag, _ in found] == ["picture", "img"]
    image = found[-1][1]
    assert image["src"] == variant.source.file.url
    assert (image["width"], image["height"]) == ("640", "480")


def test_picture__size_of_a_turned_original_is_as_people_see_it() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    photo = builders.photo(builders.picture((640, 480), exif=exif))
    image = tags("{% product_picture image %}", image=photo)[-1][1]
    assert (image["width"], image["height"]) == ("480", "640")


def test_picture__size_of_an_earlier_upload_is_not_used() -> None:
    photo = builders.photo(builders.picture((640, 480)))
    EnhancementJob.objects.update(source_name="photos/earlier.jpg")
    assert "width" not in tags("{% product_picture image %}", image=photo)[-1][1]


def test_picture__original_after_withdrawal() -> None:
    variant = published()
    publishing.withdraw(variant, by=builders.reviewer("max"))
    image = tags("{% product_picture image %}", image=variant.source)[-1][1]
    assert image["src"] == variant.source.file.url


def test_picture__role_that_is_not_published_shows_the_original() -> None:
    variant = published()
    image = tags('{% product_picture image role="scene" %}', image=variant.source)[-1][1]
    assert image["src"] == variant.source.file.url


def test_picture__role_that_does_not_exist_is_told_while_somebody_develops(settings: Any) -> None:
    photo, tag = builders.photo(), '{% product_picture image role="wite" %}'
    assert tags(tag, image=photo)[-1][1]["src"] == photo.file.url
    settings.DEBUG = True
    with pytest.raises(TemplateSyntaxError, match=r"Nothing makes the role 'wite'. Known: feed, "):
        render(tag, image=photo)


def test_picture__of_a_file_in_place_of_its_image_is_told() -> None:
    with pytest.raises(TemplateSyntaxError, match="takes a row of a watched model, not <ImageFie"):
        render("{% product_picture image.file %}", image=builders.photo())


@pytest.mark.parametrize("image", [None, ""])
def test_picture__nothing_without_an_image(image: Any) -> None:
    assert render("{% product_picture image %}", image=image) == ""


def test_picture__nothing_without_a_file() -> None:
    assert render("{% product_picture image %}", image=Photo.objects.create()) == ""


def test_picture__text_and_loading_may_be_overridden() -> None:
    found = tags('{% product_picture image alt="" loading="eager" %}', image=builders.photo())
    assert found[-1][1]["alt"] == ""
    assert found[-1][1]["loading"] == "eager"


def test_picture__hostile_words_stay_words() -> None:
    evil = '"><script>alert(1)</script>'
    photo = builders.photo(name="mug.jpg")
    Photo.objects.update(name=evil)
    html = render(
        "{% product_picture image sizes=evil class=evil %}",
        image=Photo.objects.get(pk=photo.pk),
        evil=evil,
    )
    assert "<script" not in html
    assert html.count("&quot;&gt;&lt;script&gt;") == 2


def test_picture__hostile_words_stay_words_where_nothing_is_escaped() -> None:
    photo = builders.photo(name="mug.jpg")
    Photo.objects.update(name="<b onclick=x>")
    html = render(
        "{% autoescape off %}{% product_picture image %}{% endautoescape %}",
        image=Photo.objects.get(pk=photo.pk),
    )
    assert "<b" not in html
    assert "&lt;b onclick=x&gt;" in html


def test_picture__attributes_may_have_hyphens() -> None:
    found = tags(
        "{% product_picture image data_zoom=2 aria_hidden='true' %}", image=builders.photo()
    )
    assert (found[-1][1]["data-zoom"], found[-1][1]["aria-hidden"]) == ("2", "true")


@pytest.mark.parametrize("attribute", ["src", "srcset", "width", "height"])
def test_picture__its_own_attributes_cannot_be_written_twice(attribute: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=f"product_picture sets {attribute} itself"):
        render(f"{{% product_picture image {attribute}=9 %}}", image=builders.photo())


def test_picture__of_a_model_that_is_not_watched_is_told() -> None:
    with pytest.raises(TemplateSyntaxError, match=r"product_picture: .*auth\.User"):
        render("{% product_picture image %}", image=builders.reviewer())


def test_picture__one_query_for_a_published_image(django_assert_num_queries: Any) -> None:
    photo = published().source
    with django_assert_num_queries(1):
        render("{% product_picture image %}", image=photo)


def test_roles__each_is_shown_without_another_query(django_assert_num_queries: Any) -> None:
    photo, rosa = builders.photo(), builders.reviewer()
    main = reviews.approve(builders.draft(photo), by=rosa)
    scene = reviews.approve(builders.scenes(photo)[1], by=rosa)
    words = (
        "{% product_roles image as roles %}{% for one in roles %}"
        "{{ one.role }}: {% product_picture image role=one.role %};{% endfor %}"
    )
    with django_assert_num_queries(2):  # with the size of the upload, as other roles may be shown
        first, second, _end = render(words, image=photo).split(";")
    assert first.startswith("main: <picture>")
    assert str(main.published_url) in first
    assert second.startswith("scene: <picture>")
    assert str(scene.published_url) in second
    assert render(words, image=None) == ""
    assert render(words, image=builders.photo()) == ""


def test_pictures__a_page_costs_two_queries_in_whatever_roles(
    django_assert_num_queries: Any,
) -> None:
    further = '{% product_picture image role="main" %}{% product_picture image role="white" %}'
    words = PAGE.replace("{% endfor %}", further + "{% endfor %}")
    for more in (1, 2, 4):
        for _ in range(more):
            published()
        images = list(Photo.objects.all())
        with django_assert_num_queries(2):
            html = render(words, images=images)
        assert html.count("<img ") == 3 * len(images)
        assert html.count('src="/published/') == 2 * len(images)
        assert html.count('src="/media/') == len(images)
    original = html.rpartition("<picture>")[2]
    assert 'width="64" height="48"' in original


def test_pictures__are_given_back_for_lists_that_are_fetched_anew(
    django_assert_num_queries: Any,
) -> None:
    for _ in range(3):
        published()
    words = (
        "{% prefetch_pictures photos.all as images %}"
        "{% for image in images %}{% product_picture image %}{% endfor %}"
    )
    with django_assert_num_queries(3):  # the photos, too
        html = render(words, photos=Photo.objects)
    assert html.startswith("<picture>")
    assert html.count("<img ") == 3
    assert render("{% prefetch_pictures images %}", images=None) == ""


def test_pictures__queryset_is_evaluated_once(django_assert_num_queries: Any) -> None:
    published()
    builders.photo()
    with django_assert_num_queries(3):  # rows, variants, sizes of originals
        assert render(PAGE, images=Photo.objects.all()).count("<img ") == 2


def test_pictures__of_several_models_and_missing_ones(django_assert_num_queries: Any) -> None:
    photo = published().source
    owner = builders.reviewer("owner")
    owned = OwnedPhoto.objects.create(owner=owner, file=builders.upload())
    with django_assert_num_queries(2):  # variants, sizes of originals
        pictures.prefetch([photo, None, owned])
    with django_assert_num_queries(0):
        assert pictures.picture_of(photo).variant is not None
        assert pictures.picture_of(owned).variant is None


def test_pictures__no_network_for_addresses_on_s3(settings: Any) -> None:
    variant = published()
    publishing.make_renditions(variant)
    settings.STORAGES = settings.STORAGES | {
        "shopimg_published": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "shop",
                "endpoint_url": "http://127.0.0.1:9",  # nobody answers there
                "access_key": "key",
                "secret_key": "secret",
                "querystring_auth": False,
            },
        }
    }
    picture = pictures.picture_of(variant.source)
    assert picture.url == f"http://127.0.0.1:9/shop/{variant.published_name}"
    assert picture.sources[0].files[0].url.startswith("http://127.0.0.1:9/shop/published/")
