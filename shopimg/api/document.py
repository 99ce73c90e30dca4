"""The OpenAPI document: built once in each process, and without a trace in the host's own one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.settings import SpectacularSettings, spectacular_settings
from rest_framework.renderers import BaseRenderer
from rest_framework.settings import perform_import

from shopimg.api.schema import SETTINGS

_RENDERERS: Mapping[str, type[BaseRenderer]] = {
    "json": OpenApiJsonRenderer,
    "yaml": OpenApiYamlRenderer,
}
_KEPT_FILES = 16
"""Two for each address at which the host has put the API."""

_own: ContextVar[Mapping[str, Any]] = ContextVar("own_settings", default=MappingProxyType({}))


class _Settings(SpectacularSettings):
    """The host's settings, but for those who are inside ``own_settings``."""

    def __getattribute__(self, name: str) -> Any:
        own = _own.get()
        return own[name] if name in own else super().__getattribute__(name)


# drf-spectacular reads this one object wherever it is at work, and its own way to change settings
# for a while changes them for all threads: a host would get a document with our title.
spectacular_settings.__class__ = _Settings


@contextmanager
def own_settings(settings: Mapping[str, Any] = SETTINGS) -> Iterator[None]:
    """Let drf-spectacular see other settings, in this thread or coroutine alone."""
    imported = {
        name: perform_import(value, name) if name in spectacular_settings.import_strings else value
        for name, value in settings.items()
    }
    token = _own.set(imported)
    try:
        yield
    finally:
        _own.reset(token)


@lru_cache(_KEPT_FILES)
def rendered(address: str, form: str) -> bytes:
    """Return the document as a file.

    Args:
        address: where the host has put the API, as a path.
        form: ``json`` or ``yaml``.
    """
    content: Any = _RENDERERS[form]().render({**built(), "servers": [{"url": address}]})
    return bytes(content)


@cache
def built() -> Mapping[str, Any]:
    """Return the document, in English and without an address."""
    # The host's document has a language, and this one none: drf-spectacular keeps the names of
    # choices by language, and would give ours to the host's document, or the host's to ours.
    with own_settings(), translation.override(None):
        generator = SchemaGenerator(urlconf="shopimg.api.urls")  # type: ignore[no-untyped-call]
        document: Mapping[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    return document
