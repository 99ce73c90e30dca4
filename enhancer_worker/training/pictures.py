"""Which pictures a command looks at: one, all below a folder, or those that judged a run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from enhancer_worker.folder import find_pictures
from enhancer_worker.training.catalogue import SUFFIXES
from shopimg.contract import WorkerError

JUDGED_KEY = "judged_by"
"""Key in the `report.json` of a fine-tuning: the photographs that neither trained nor selected."""


def judges(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """What `report.json` tells of the photographs that judged.

    Args:
        folder: all photographs of the run.
        files: those that judged, below it.
    """
    names = [file.relative_to(folder).as_posix() for file in files]
    return {JUDGED_KEY: {"folder": str(folder.resolve()), "files": names}}


def named_pictures(place: Path) -> dict[str, Path]:
    """Pictures by what tells them apart: their path below the folder.

    Args:
        place: a picture, a folder with pictures in any layout, or the `report.json` of a
            fine-tuning, which stands for the photographs that judged there.

    Raises:
        WorkerError: there are none.
    """
    if place.suffix == ".json":
        return _judged(place)
    if place.is_file():
        return {place.name: place}
    found = {path.relative_to(place).as_posix(): path for path in find_pictures(place, SUFFIXES)}
    if not found:
        raise WorkerError(detail=f"no pictures in {place}")
    return found


def _judged(report: Path) -> dict[str, Path]:
    try:
        told = json.loads(report.read_text())[JUDGED_KEY]
        found = {str(name): Path(told["folder"], name) for name in told["files"]}
    except OSError as err:
        raise WorkerError(detail=f"cannot read {report}: {err.strerror}") from err
    except (ValueError, LookupError, TypeError) as err:
        words = "does not tell which photographs judged: run finetune again, or name a folder"
        raise WorkerError(detail=f"{report} {words}") from err
    missing = [path for path in found.values() if not path.is_file()]
    if missing or not found:
        words = f"{len(missing)} of the {len(found)} photographs that {report} names are not there"
        raise WorkerError(detail=f"{words}: {', '.join(map(str, missing[:1])) or 'none'}")
    return found
