"""The pages of shopimg in Django's admin; importing this package registers them."""

from shopimg.admin.jobs import EnhancementJobAdmin
from shopimg.admin.queue import EnhancedVariantAdmin
from shopimg.admin.runs import BulkRunAdmin
from shopimg.admin.workers import WorkerHeartbeatAdmin

__all__ = ["BulkRunAdmin", "EnhancedVariantAdmin", "EnhancementJobAdmin", "WorkerHeartbeatAdmin"]
