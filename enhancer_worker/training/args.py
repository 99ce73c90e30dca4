"""Every knob of a training run, with its unit, and the one command line built from them."""

import argparse
import ast
import inspect
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, get_args

ArgsT = TypeVar("ArgsT", bound="TrainingArgs")


@dataclass(frozen=True, kw_only=True)
class TrainingArgs:
    """What all runs share."""

    data: Path
    """Folder laid out as `photos/*/*.jpg` (and `benchmarks/` for `evaluate`)."""
    out: Path
    """Folder for checkpoints, logs and the averaged weights."""
    hours: float = 1.0
    """Wall-clock budget, hours, counted over all resumed parts; the schedule ends with it."""
    max_steps: int = 0
    """Optimiser steps after which the run ends at the latest; 0: no limit."""
    resume: bool = False
    """Continue from `out/last.ckpt` where there is one."""
    init_from: Path | None = None
    """A `.safetensors` file to start from; tensors of another shape are left as they are."""
    seed: int = 1
    """Seed of the initial weights and of every batch."""
    batch: int = 16
    """Pairs per step."""
    patch: int = 32
    """Side of one low-quality patch, pixels."""
    last_patch: int = 48
    """Side of one patch in the last part of the run, pixels."""
    last_part: float = 0.2
    """Length of the last part, fraction of the run."""
    learning_rate: float = 1e-3
    """Highest Adam step size, unitless."""
    last_learning_rate: float = 1e-5
    """Adam step size at the end of the cosine, unitless."""
    warm_up_steps: int = 200
    """Steps over which the step size grows to its highest."""
    clip_norm: float = 1.0
    """Largest L2 norm of the gradient, unitless."""
    ema_decay: float = 0.999
    """Weight of the past in the averaged weights, per step."""
    bf16_part: float = 0.0
    """Fraction of the run computed in bfloat16, from the start; pays only on CPUs with AMX."""
    checkpoint_minutes: float = 4.0
    """Minutes between two resumable checkpoints."""
    validate_minutes: float = 5.0
    """Minutes between two validations."""
    threads: int = 1
    """CPU threads of PyTorch."""


@dataclass(frozen=True, kw_only=True)
class UpscalerArgs(TrainingArgs):
    """A run of the plain upscaler."""

    scale: int = 2
    """Output pixels per input pixel along one axis: 2, 3 or 4."""
    channels: int = 48
    """Feature channels."""
    convolutions: int = 8
    """Hidden 3x3 convolutions."""


@dataclass(frozen=True, kw_only=True)
class RestorerArgs(TrainingArgs):
    """A run of the blind restorer."""

    patch: int = 64
    """Side of one patch, pixels, a multiple of 4."""
    last_patch: int = 112
    """Side of one patch in the last part of the run, pixels, a multiple of 4."""
    last_part: float = 0.35
    """Length of the last part, fraction of the run."""
    learning_rate: float = 5e-4
    """Highest Adam step size, unitless."""
    last_learning_rate: float = 4e-6
    """Adam step size at the end of the cosine, unitless."""


def parse(kind: type[ArgsT], argv: Sequence[str] | None, command: str) -> ArgsT:
    """Read one run's arguments from a command line.

    Args:
        kind: the dataclass of the run.
        argv: arguments without the command; None reads the process's own.
        command: shown in the usage line.
    """
    parser = argparse.ArgumentParser(prog=command, description=inspect.getdoc(kind))
    helps = field_docs(kind)
    for field in fields(kind):
        flag = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            parser.add_argument(flag, action="store_true", help=helps[field.name])
            continue
        required = field.name in {"data", "out"}
        parser.add_argument(
            flag,
            type=_parser_of(field.type),
            required=required,
            default=None if required else field.default,
            help=helps[field.name],
        )
    return kind(**vars(parser.parse_args(argv)))


def _parser_of(annotation: object) -> type:
    """`float` for `float`, `Path` for `Path | None`."""
    alternatives = [kind for kind in get_args(annotation) if kind is not type(None)]
    chosen = alternatives[0] if alternatives else annotation
    if not isinstance(chosen, type):
        raise TypeError(f"no command-line parser for {annotation!r}")
    return chosen


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass and of its bases.

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
            docs[field.target.id] = str(doc.value.value).replace("%", "%%")
    return docs
