"""Checks of what a run is given, made before it costs anything."""

import os
import pickle
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import lightning
import torch

from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.config_file import CONFIG_NAME

MOST_TOLD = 200
"""Characters of a library's reason that are passed on."""
_DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
)
"""What `torch.load` raises for files that are not whole, and reading its result for others."""


def refuse_unwritable(out: Path) -> None:
    """Make sure that a folder can be made and written into, and make nothing.

    Raises:
        TrainingArgsError: it, or what it would lie in, is a file or may not be written into.
    """
    nearest = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise TrainingArgsError(f"cannot write into {out}: {nearest} is a file, see --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise TrainingArgsError(f"cannot write into {out}: no permission in {nearest}, see --out")


def resumable_step(checkpoint: Path, module: lightning.LightningModule) -> int:
    """How many steps the run has done that a checkpoint is of.

    Args:
        checkpoint: as Lightning writes it.
        module: what shall go on from there.

    Raises:
        TrainingArgsError: the file is damaged, or of another network or optimizer.
    """
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
        step, shapes = int(found["global_step"]), _shapes(found["state_dict"])
        groups = [_groups(state) for state in found["optimizer_states"]]
    except _DAMAGED as err:
        raise TrainingArgsError(
            f"{checkpoint} is damaged: begin anew without --resume ({one_line(err)})"
        ) from err
    optimizers: Any = module.configure_optimizers()
    own = optimizers if isinstance(optimizers, list) else [optimizers]
    same_groups = groups == [_groups(optimizer.state_dict()) for optimizer in own]
    if shapes != _shapes(module.state_dict()) or not same_groups:
        raise TrainingArgsError(
            f"{checkpoint} is of another network or optimizer: resume with the options that "
            f"{CONFIG_NAME} beside it has, or give another --out"
        )
    return step


def refuse_unknown_figure(name: str, figures: Collection[str]) -> None:
    """Make sure that there is a figure to stop on.

    Args:
        name: as `--stop-on` gives it.
        figures: all that a validation has.

    Raises:
        TrainingArgsError: it is none of them.
    """
    if name not in figures:
        known = ", ".join(sorted(figures))
        raise TrainingArgsError(f"no figure {name!r} to stop on; there are {known}")


def one_line(err: BaseException) -> str:
    """What an exception of a library's says, in one line of a bearable length."""
    return shorten(str(err), MOST_TOLD, placeholder=" ...")


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, Sequence[int]]:
    return {name: tensor.shape for name, tensor in state.items()}


def _groups(state: Mapping[str, Any]) -> list[int]:
    """How many tensors each group of an optimizer's state steps."""
    return [len(group["params"]) for group in state["param_groups"]]
