"""Finds out whether a GPU runs anything: a driver that is too old counts it all the same.

``python -m enhancer_worker.engine.cuda_probe cuda:0`` does it in a process of its own, for those
that are to fork: CUDA does not survive that.
"""

from __future__ import annotations

import subprocess
import sys

from enhancer_worker.errors import is_out_of_memory
from shopimg.contract import WorkerError

_LONGEST_SECONDS = 120


def require_cuda(device: str) -> None:
    """Run one small convolution on a GPU, in this process.

    A GPU without room for it is taken for a good one: others may let go of its memory.

    Args:
        device: ``cuda:N``.

    Raises:
        WorkerError: it does not run, for want of a driver or of kernels for such an old GPU.
    """
    import torch  # noqa: PLC0415 - a CPU worker must not pay for this import

    try:
        with torch.inference_mode():
            net = torch.nn.Conv2d(3, 3, 3).to(device)
            net(torch.ones(1, 3, 8, 8, device=device)).sum().item()
    except (RuntimeError, AssertionError) as err:
        if not is_out_of_memory(err):
            reason = str(err).partition("\n")[0]
            raise WorkerError(detail=f"{device} runs nothing: {reason}") from err


def require_cuda_apart(device: str) -> None:
    """Do as ``require_cuda`` does in a process of its own.

    Raises:
        WorkerError: it does not run.
    """
    command = [sys.executable, "-m", "enhancer_worker.engine.cuda_probe", device]
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as err:
        raise WorkerError(detail=f"{device} has not answered in {_LONGEST_SECONDS} s") from err
    if done.returncode:
        raise WorkerError(detail=(done.stderr.strip().splitlines() or [f"{device} fails"])[-1])


if __name__ == "__main__":
    try:
        require_cuda(sys.argv[1])
    except WorkerError as error:
        sys.exit(error.detail)
