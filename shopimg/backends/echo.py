"""An enhancer that gives back what it was given: for tests of everything around enhancing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from shopimg.backends.uploads import read_upload
from shopimg.contract import MIME_TYPES, NO_MASKS, Deadline, EnhancedImage, Recipe, StepReport
from shopimg.contract.formats import sniff


class EchoEnhancer:
    """Implements ``shopimg.contract.Enhancer`` and changes nothing, metadata included.

    The upload is still opened as a real enhancer would, so that bad files fail in the same way.
    """

    def enhance(
        self,
        source: bytes,
        recipe: Recipe,
        *,
        deadline: Deadline,
        masks: Mapping[str, bytes] = NO_MASKS,
    ) -> Sequence[EnhancedImage]:
        """Return the upload once per candidate of each role."""
        deadline.check()
        started = time.perf_counter()
        image, statement = read_upload(source)
        report = StepReport("decode", time.perf_counter() - started)
        return [
            EnhancedImage(
                role=role.name,
                content=source,
                mime_type=MIME_TYPES[sniff(source)],
                width=image.width,
                height=image.height,
                steps=(report,),
                digital_source_type=statement,
                candidate=candidate,
            )
            for role in recipe.roles
            for candidate in range(role.candidates)
        ]
