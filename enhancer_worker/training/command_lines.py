"""The command line of a training run, built from the fields of its arguments."""

import argparse
import ast
import inspect
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.config_file import plain_type, read_config

ArgsT = TypeVar("ArgsT", bound=TrainingArgs)


def parse(kind: type[ArgsT], argv: Sequence[str], command: str) -> ArgsT:
    """Read one run's arguments from a command line and, below it, from `--config FILE`.

    Args:
        kind: the dataclass of the run.
        argv: arguments without the command.
        command: shown in the usage line.
    """
    parser = argparse.ArgumentParser(
        prog=command, description=inspect.getdoc(kind), argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--config", type=Path, help="YAML file of these options; flags win over it")
    helps = field_docs(kind)
    for field in fields(kind):
        _add_flag(parser, field, helps[field.name])
    given = vars(parser.parse_args(argv))
    config = given.pop("config", None)
    try:
        values = (read_config(config, kind) if config else {}) | given
        missing = [f for f in fields(kind) if f.default is MISSING and f.name not in values]
        if missing:
            parser.error("these are required: " + ", ".join(_flag(f.name) for f in missing))
        return kind(**values)
    except ValueError as err:
        parser.exit(2, f"{command}: {err}\n")


def command_line(args: TrainingArgs, command: str) -> str:
    """The command that gives these arguments; of folders and files only the last part is told.

    >>> from enhancer_worker.training.args import UpscalerArgs
    >>> command_line(UpscalerArgs(data=Path("a/b"), out=Path("c"), scale=4), "train upscaler")
    'python -m enhancer_worker train upscaler --data b --out c --scale 4'
    """
    words = ["python", "-m", "enhancer_worker", *command.split()]
    for field in fields(args):
        value = getattr(args, field.name)
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(_flag(field.name) if value else _flag(f"no-{field.name}"))
        else:
            words += [_flag(field.name), value.name if isinstance(value, Path) else str(value)]
    return shlex.join(words)


def _add_flag(parser: argparse.ArgumentParser, field: Field[Any], doc: str) -> None:
    if isinstance(field.default, bool):
        parser.add_argument(
            _flag(field.name), action=argparse.BooleanOptionalAction, help=doc, dest=field.name
        )
        return
    known = "" if field.default in {MISSING, None, ""} else f" Default: {field.default}."
    parser.add_argument(
        _flag(field.name), type=plain_type(field.type), help=doc + known, dest=field.name
    )


def _flag(name: str) -> str:
    return "--" + name.rstrip("_").replace("_", "-")


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass and of its bases.

    >>> from enhancer_worker.training.args import UpscalerArgs
    >>> field_docs(UpscalerArgs)["seed"]
    'Seed of the initial weights and of every batch.'
    """
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        docs.update(_docs_in(body))
    return docs


def _docs_in(node: ast.stmt) -> dict[str, str]:
    docs: dict[str, str] = {}
    statements = node.body if isinstance(node, ast.ClassDef) else []
    for field, doc in pairwise(statements):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
            docs[field.target.id] = " ".join(str(doc.value.value).split()).replace("%", "%%")
    return docs
