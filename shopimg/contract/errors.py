"""The errors that enhancers raise and jobs record; each has a stable code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from shopimg.contract.work import EnhancedImage


class EnhancementError(Exception):
    """The image could not be enhanced."""

    code: ClassVar[str] = "enhancement_failed"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        public_message: str = "",
        *,
        detail: str = "",
        images: Sequence[EnhancedImage] = (),
    ) -> None:
        """Take words a seller understands, and optionally a technical detail for operators.

        Args:
            public_message: shown to sellers and returned by the API; the docstring by default.
            detail: for logs and the job row only; may name libraries and numbers.
            images: what the recipe makes in spite of the error; kept where the job ends by it.
        """
        self.images = tuple(images)
        self.public_message = public_message or (type(self).__doc__ or "").strip()
        self.detail = detail
        super().__init__(f"{self.public_message} ({detail})" if detail else self.public_message)


class SourceError(EnhancementError):
    """The uploaded file cannot be used."""

    code = "source_invalid"


class SourceMissingError(SourceError):
    """The uploaded file is no longer in the storage."""

    code = "source_missing"


class SourceUnreadableError(SourceError):
    """The uploaded file is damaged or is not a picture."""

    code = "source_unreadable"


class SourceTooLargeError(SourceError):
    """The uploaded picture is larger than this shop accepts."""

    code = "source_too_large"


class UnsupportedFormatError(SourceError):
    """This kind of picture is not supported. Upload a JPEG, PNG or WebP file."""

    code = "unsupported_format"


class ProductNotFoundError(SourceError):
    """No product was found in this photo."""

    code = "product_not_found"


class RecipeError(EnhancementError):
    """The recipe is unknown or one of its steps is not valid."""

    code = "recipe_invalid"


class MaskError(EnhancementError):
    """The mask cannot be used. Upload a PNG in which the product is white, all else black."""

    code = "mask_invalid"


class MaskMissingError(MaskError):
    """The corrected mask is gone. Correct it again."""

    code = "mask_missing"


class PixelLockError(EnhancementError):
    """The product did not come out exactly as it was. Nothing was kept."""

    code = "pixel_lock_failed"


class CapacityError(EnhancementError):
    """The workers are busy. The job runs again by itself."""

    code = "capacity"
    retryable = True


class StorageUnavailableError(CapacityError):
    """The storage does not answer. The job runs again by itself."""


class DeadlineExceededError(EnhancementError):
    """The picture took longer than the time allowed for one job."""

    code = "deadline_exceeded"


class WorkerError(EnhancementError):
    """The worker failed. The job runs again by itself."""

    code = "worker_error"
    retryable = True


class JobSupersededError(EnhancementError):
    """A newer upload, a corrected mask or another worker has taken over this job."""

    code = "job_superseded"


class InvalidTransitionError(EnhancementError):
    """Somebody else has already decided, or the state does not allow this."""

    code = "invalid_transition"
