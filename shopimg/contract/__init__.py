"""What the shop and its workers agree on: recipes, images, errors. Standard library only."""

from shopimg.contract.errors import (
    CapacityError,
    DeadlineExceededError,
    EnhancementError,
    JobSupersededError,
    RecipeError,
    SourceError,
    SourceMissingError,
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
    WorkerError,
)
from shopimg.contract.recipe import (
    CLEAN,
    MIME_TYPES,
    STEP_TYPES,
    Output,
    Recipe,
    Restore,
    Role,
    Step,
    Upscale,
)
from shopimg.contract.work import (
    Deadline,
    EnhancedImage,
    Enhancer,
    StepReport,
)

__all__ = [
    "CLEAN",
    "MIME_TYPES",
    "STEP_TYPES",
    "CapacityError",
    "Deadline",
    "DeadlineExceededError",
    "EnhancedImage",
    "EnhancementError",
    "Enhancer",
    "JobSupersededError",
    "Output",
    "Recipe",
    "RecipeError",
    "Restore",
    "Role",
    "SourceError",
    "SourceMissingError",
    "SourceTooLargeError",
    "SourceUnreadableError",
    "Step",
    "StepReport",
    "UnsupportedFormatError",
    "Upscale",
    "WorkerError",
]
