"""Primary keys of the host's models, as clients write them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model


def parse(model: type[Model], text: str) -> Any:
    """Return a primary key that the database accepts in a comparison.

    Args:
        model: a model of the host, with any kind of key.
        text: as in an address or a JSON body.

    Raises:
        ValueError: no row of the model can have this key.
    """
    field: Any = model._meta.pk
    while field.remote_field is not None:  # a child of another model shares its parent's key
        field = field.target_field
    try:
        key = field.to_python(text)
        field.run_validators(key)
    except ValidationError as err:
        raise ValueError(f"{text!r} cannot be a key of {model._meta.label}.") from err
    if key is None or "\0" in str(key):  # PostgreSQL has no text with a zero byte in it
        raise ValueError(f"{text!r} cannot be a key of {model._meta.label}.")
    return key
