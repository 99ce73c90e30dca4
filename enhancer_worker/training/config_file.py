"""The arguments of a run as a YAML file: read before it, written beside its result."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml

from enhancer_worker.nets.state_files import read_header

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIG_NAME = "config.yaml"
CONFIG_KEY = "config"
"""Key in the header of a `.safetensors` file."""


class ConfigFileError(ValueError):
    """A config file is not YAML, or says something that the run does not know."""


def read_config(path: Path, kind: "type[DataclassInstance]") -> dict[str, Any]:
    """Read the fields of a dataclass from a YAML file.

    Args:
        path: a mapping of field names, with `-` or `_`, to values.
        kind: the dataclass; fields that the file leaves out are not in the result.

    Raises:
        ConfigFileError: no such file, no mapping, an unknown key or a value of another type.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise ConfigFileError(f"cannot read {path}: {err}") from err
    if not isinstance(found, dict):
        raise ConfigFileError(f"{path} holds no mapping of options to values")
    types = {field.name.rstrip("_"): (field.name, field.type) for field in fields(kind)}
    values = {}
    for key, value in found.items():
        plain = str(key).replace("-", "_")
        if plain not in types:
            near = difflib.get_close_matches(plain, types, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigFileError(f"{path}: there is no option {key}{hint}")
        name, annotation = types[plain]
        values[name] = _converted(value, annotation, f"{path}: {key}")
    return values


def plain_type(annotation: object) -> type:
    """`float` for `float`, `Path` for `Path | None`.

    >>> plain_type(Path | None).__name__
    'Path'
    """
    alternatives = [kind for kind in get_args(annotation) if kind is not type(None)]
    chosen = alternatives[0] if alternatives else annotation
    if not isinstance(chosen, type):
        raise TypeError(f"no parser for {annotation!r}")
    return chosen


def as_config(args: "DataclassInstance") -> dict[str, Any]:
    """All fields as plain values, paths as text."""
    return {
        name.rstrip("_"): str(value) if isinstance(value, Path) else value
        for name, value in asdict(args).items()
    }


def write_config(args: "DataclassInstance", folder: Path) -> None:
    """Write `config.yaml`, which `--config` reads back to the same arguments."""
    text = yaml.safe_dump(as_config(args), sort_keys=False)
    (folder / CONFIG_NAME).write_text(text)


def public_config(args: "DataclassInstance") -> dict[str, Any]:
    """The fields as they may be published: of folders and files only the last part."""
    return {
        name.rstrip("_"): value.name if isinstance(value, Path) else value
        for name, value in asdict(args).items()
    }


def config_header(args: "DataclassInstance", **facts: object) -> dict[str, str]:
    """Header of a `.safetensors` file that tells how its weights came to be.

    Args:
        args: the run's arguments.
        facts: what they do not tell, such as how many steps were done.
    """
    told = public_config(args) | facts
    return {"format": "pt", CONFIG_KEY: json.dumps(told, sort_keys=True)}


def recorded_config(weights: Path) -> Mapping[str, Any]:
    """What `config_header` wrote into a `.safetensors` file; empty where it wrote nothing.

    Raises:
        WorkerError: the file is missing or damaged.
    """
    config: dict[str, Any] = json.loads(read_header(weights).get(CONFIG_KEY, "{}"))
    return config


def _converted(value: object, annotation: object, place: str) -> Any:
    """Check one value against its field; YAML reads `1e-3` as text, so text may be a number."""
    kind = plain_type(annotation)
    if value is None and type(None) in get_args(annotation):
        return None
    if isinstance(value, bool) == (kind is bool) and isinstance(value, (bool, int, float, str)):
        try:
            converted = kind(value)
        except (TypeError, ValueError, OverflowError):
            pass
        else:
            if kind is not int or isinstance(value, str) or converted == value:
                return converted
    raise ConfigFileError(f"{place} is {value!r}, not {kind.__name__}")
