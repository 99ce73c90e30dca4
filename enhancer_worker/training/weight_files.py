"""Which network a weights file is of, and whether it can be judged by the pictures it makes."""

from pathlib import Path

from enhancer_worker.nets.zoo import ZooEntry, zoo_entry
from shopimg.contract import WorkerError

SUFFIX = ".safetensors"
LOST = ".lost"
"""What `finetune` puts behind the name of a network whose weights it does not recommend."""
PICTURE_KINDS = frozenset({"upscale", "restore"})
"""Kinds of networks that make a picture of a picture."""


def entry_of(file: Path, net: str = "") -> ZooEntry:
    """The network whose weights a file has.

    Args:
        file: named after it, `LOST` or not.
        net: weight name; empty: the file tells.

    Raises:
        WorkerError: there is no such network.

    >>> entry_of(Path("runs/upscale_x2_s.lost.safetensors")).name
    'upscale_x2_s'
    """
    if net:
        return zoo_entry(net)
    name = file.name.removesuffix(SUFFIX).removesuffix(LOST)
    try:
        return zoo_entry(name)
    except WorkerError as err:
        raise WorkerError(detail=f"{err.detail}; say with --net whose weights {file} has") from err


def picture_maker(entry: ZooEntry, treated: str) -> ZooEntry:
    """A network that makes pictures of pictures, as it was given.

    Args:
        entry: any.
        treated: what is to happen to it, such as `tuned`.

    Raises:
        WorkerError: it makes something else.
    """
    if entry.kind not in PICTURE_KINDS:
        words = f"is no upscaler and no restorer: only those can be {treated} so"
        raise WorkerError(detail=f"{entry.name} {words}")
    return entry
