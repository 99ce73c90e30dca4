"""Which pictures a command looks at: one, all below a folder, or those that judged a run."""

from pathlib import Path

from enhancer_worker.training.catalogue import find_pictures
from shopimg.contract import WorkerError


def named_pictures(place: Path) -> dict[str, Path]:
    """Pictures by what tells them apart: their path below the folder.

    Args:
        place: a picture, or a folder with pictures in any layout.

    Raises:
        WorkerError: there are none.
    """
    if place.is_file():
        return {place.name: place}
    found = {path.relative_to(place).as_posix(): path for path in find_pictures(place)}
    if not found:
        raise WorkerError(detail=f"no pictures in {place}")
    return found
