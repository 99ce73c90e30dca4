"""What the shop and its workers agree on: recipes, images, errors. Standard library only."""

from shopimg.contract.errors import (
    CapacityError,
    DeadlineExceededError,
    EnhancementError,
    InvalidTransitionError,
    JobSupersededError,
    RecipeError,
    SourceError,
    SourceMissingError,
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
    WorkerError,
)
from shopimg.contract.networks import Network
from shopimg.contract.recipe import (
    CLEAN,
    MIME_TYPES,
    Output,
    Recipe,
    Role,
)
from shopimg.contract.steps import (
    STEP_TYPES,
    Restore,
    Step,
    Upscale,
)
from shopimg.contract.weights import FLAVOURS, WeightName
from shopimg.contract.work import (
    Deadline,
    EnhancedImage,
    Enhancer,
    Forecast,
    Forecaster,
    JobCost,
    StepReport,
)

__all__ = [
    "CLEAN",
    "FLAVOURS",
    "MIME_TYPES",
    "STEP_TYPES",
    "CapacityError",
    "Deadline",
    "DeadlineExceededError",
    "EnhancedImage",
    "EnhancementError",
    "Enhancer",
    "Forecast",
    "Forecaster",
    "InvalidTransitionError",
    "JobCost",
    "JobSupersededError",
    "Network",
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
    "WeightName",
    "WorkerError",
]
