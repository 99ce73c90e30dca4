"""Turns failures of third-party libraries into the contract's errors, once, at the boundary."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from shopimg.contract import (
    CapacityError,
    EnhancementError,
    SourceTooLargeError,
    SourceUnreadableError,
    WorkerError,
)

logger = logging.getLogger(__name__)

_CUDA_FAILURES = ("CUDA error", "CUDA unknown error", "cuDNN error", "NVIDIA driver on your system")
_OUT_OF_MEMORY = (
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    # cuDNN 9 calls it so, of the host's memory too.
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    # What PyTorch makes of it where no algorithm of a convolution finds room to work in; a GPU
    # without units for a precision says the same.
    "unable to find an engine to execute this computation",
    "DefaultCPUAllocator: can't allocate memory",
)
_EXTRA = frozenset({"openvino", "safetensors", "scipy", "torch", "torchvision"})
"""What the extra ``worker`` installs and is only imported where it is needed."""
_device_lost = threading.Event()


class DeviceLostError(WorkerError):
    """The worker failed. The job runs again by itself."""


def device_is_lost() -> bool:
    """Tell whether CUDA has failed in this process: it fails for good then, whatever is asked."""
    return _device_lost.is_set()


@contextmanager
def reading_source() -> Iterator[None]:
    """Turn everything that a decoder raises into an error about the upload.

    Raises:
        SourceTooLargeError: Pillow took the file for a decompression bomb.
        SourceUnreadableError: any other failure; decoders raise whatever comes to their mind on a
            damaged file, from struct.error to RecursionError.
        CapacityError: no memory for the picture.
    """
    try:
        yield
    except EnhancementError:
        raise
    except MemoryError as err:
        raise CapacityError(detail="no memory to decode the picture") from err
    except Image.DecompressionBombError as err:
        raise SourceTooLargeError(detail=_describe(err)) from err
    except UnidentifiedImageError as err:
        raise SourceUnreadableError(detail="no decoder accepts the file") from err
    except Exception as err:
        raise SourceUnreadableError(detail=_describe(err)) from err


@contextmanager
def working() -> Iterator[None]:
    """Turn everything else that fails in the worker into an error about the worker.

    Raises:
        CapacityError: no memory left; the job may run again later.
        DeviceLostError: CUDA failed; the process must end, as nothing will work in it any more.
        WorkerError: any other failure; logged with its traceback.
    """
    try:
        yield
    except EnhancementError:
        raise
    except MemoryError as err:
        raise CapacityError(detail=_describe(err)) from err
    except Exception as err:
        if isinstance(err, ModuleNotFoundError) and err.name in _EXTRA:
            raise WorkerError(detail=f'{err}: pip install "shopimg[worker]"') from err
        if is_out_of_memory(err):
            raise CapacityError(detail=_describe(err)) from err
        logger.exception("The enhancer failed")
        if is_from_cuda(err):
            _device_lost.set()
            raise DeviceLostError(detail=_describe(err)) from err
        raise WorkerError(detail=_describe(err)) from err


def is_out_of_memory(err: Exception) -> bool:
    """Recognise that PyTorch found no room, on any device, without importing PyTorch."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(err, torch.OutOfMemoryError):
        return True
    return isinstance(err, RuntimeError) and any(text in str(err) for text in _OUT_OF_MEMORY)


def is_from_cuda(err: Exception) -> bool:
    """Recognise the errors that leave a CUDA context unusable, without importing PyTorch."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(err, getattr(torch, "AcceleratorError", ())):
        return True
    return isinstance(err, RuntimeError) and any(text in str(err) for text in _CUDA_FAILURES)


def _describe(err: BaseException) -> str:
    return f"{type(err).__name__}: {err}"[:500]
