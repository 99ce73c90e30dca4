"""Primary keys of the host's models, as people and clients write them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, IntegerField, Model


def field_of(model: type[Model]) -> Field[Any, Any]:
    """Return the field that a model's rows are told apart by; a child shares its parent's."""
    field: Any = model._meta.pk
    while field.remote_field is not None:
        field = field.target_field
    return field  # type: ignore[no-any-return]


def parse(model: type[Model], text: str) -> Any:
    """Return a primary key that the database accepts in a comparison.

    Args:
        model: a model of the host, with any kind of key.
        text: as in an address or a JSON body.

    Raises:
        ValueError: no row of the model can have this key.
    """
    field = field_of(model)
    try:
        key = field.to_python(text)
        if isinstance(field, IntegerField):
            # No database takes a number that is too large for its column. Other validators are
            # about new rows, and rows that are there may be older.
            field.run_validators(key)
    except ValidationError as err:
        raise ValueError(f"{text!r} cannot be a key of {model._meta.label}.") from err
    if key is None or "\0" in str(key):  # PostgreSQL has no text with a zero byte in it
        raise ValueError(f"{text!r} cannot be a key of {model._meta.label}.")
    return key
