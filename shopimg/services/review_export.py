"""Reviewers' decisions as a training set: uploads, results and why, in private files."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.db.models import Count, Exists, OuterRef
from django.utils.crypto import salted_hmac

from shopimg import sources, storage
from shopimg.contract import CapacityError, SourceMissingError, SourceTooLargeError
from shopimg.contract.formats import sniff
from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.scope import visible_to
from shopimg.spreadsheets import harmless
from shopimg.states import Decision, ReviewState

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from shopimg.scope import User

CHOICES: Mapping[str, tuple[Decision, ...]] = {
    "approved": (Decision.APPROVE,),
    "rejected": (Decision.REJECT,),
    "all": (Decision.APPROVE, Decision.REJECT),
}
"""What may be exported, by the word for it."""
FOLDERS = {Decision.APPROVE: "approved", Decision.REJECT: "rejected"}
COLUMNS = (
    "decision", "now", "reason", "note", "at", "reviewer", "variant", "variant_sha256", "source",
    "source_sha256", "image", "product", "role", "recipe", "fingerprint", "width", "height",
    "missing",
)  # fmt: skip
"""Columns of ``decisions.csv``; ``decisions.jsonl`` has these and the nested facts."""
README = """\
Reviewers' decisions, exported from a shop.

  approved/sources, approved/variants    uploads, and what was approved of them
  rejected/sources, rejected/variants    uploads, and what was rejected of them
  decisions.csv, decisions.jsonl         who decided what, when and why, by which recipe, and what
                                         became of it; the latter has steps and weights, too

What was approved and withdrawn later has a line, and no files. Another export into this folder
deletes the pictures that its tables do not name.

  python -m enhancer_worker finetune --from NAME --data approved/sources --out RUN

Uploads whose product is known (--group-by) are named by it and a number, and finetune keeps views
of one product together. Others are named by their content alone: views of one may both train and
judge there, and the verdict then flatters.

Personal data: photographs may show people, uploads may hold the place and the camera in their
metadata, and notes may name somebody. Reviewers are pseudonyms that only this shop can resolve.
Keep the folder private, and delete it when the training is over.
"""
WITHDRAWN = "withdrawn"
"""Value of ``now`` for what was taken out of the shop; else it is the state of the variant."""
_BATCH = 200
_OURS = re.compile(r"[0-9a-f]{64}|[0-9a-f-]{36}|[0-9a-f]{16}_[0-9]+")

Record = dict[str, Any]


class UnfitFolderError(ValueError):
    """A folder is not one to export into; the message says why."""


def decided(
    choice: str, since: datetime | None = None, user: User | None = None
) -> QuerySet[ReviewDecision]:
    """Approvals and rejections, in an order that does not change.

    Args:
        choice: a key of ``CHOICES``.
        since: not those before.
        user: only about images that this user may see; all where None.
    """
    rows = ReviewDecision.objects.filter(decision__in=CHOICES[choice])
    if since is not None:
        rows = rows.filter(at__gte=since)
    if user is not None:
        visible = visible_to(user, EnhancedVariant.objects.all())
        rows = rows.filter(variant__in=visible.order_by().values("pk"))
    return (
        rows.annotate(withdrawn=Exists(_withdrawals()))
        .select_related("variant__job", "variant__source_type")
        .prefetch_related("variant__source")
        .order_by("pk")
    )


def check_group(group_by: str) -> None:
    """Look at a field by which images may be grouped, before anything is written.

    Raises:
        LookupError: no watched model has it; empty is none.
    """
    columns = [sources.columns_of(source.model) for source in sources.all_sources()]
    if group_by and not any(group_by in names for names in columns):
        known = ", ".join(sorted(frozenset[str]().union(*columns)))
        raise LookupError(f"No watched model has a field {group_by!r} to group by: {known}.")


def export(rows: QuerySet[ReviewDecision], folder: Path, group_by: str = "") -> Iterator[Record]:
    """Write the files of each decision and yield what was written, one decision at a time.

    Files that are there already are kept, so an interrupted export goes on where it stopped and a
    second one copies nothing. What was withdrawn since it was approved is no example any more: it
    stays in the tables, without files. When the last decision was yielded, the two tables are
    replaced, and files of earlier exports that they do not name are deleted.

    Args:
        rows: from ``decided``.
        folder: made where it is missing; readable by nobody else.
        group_by: field of watched models that the images of one product share.

    Raises:
        UnfitFolderError: see ``check_folder``.
        OSError: the folder cannot be written.
    """
    check_folder(folder)
    for name in (f"{kind}/{part}" for kind in FOLDERS.values() for part in ("sources", "variants")):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for private in (folder, *(folder / kind for kind in FOLDERS.values())):
        private.chmod(0o700)
    _write_once(folder / "README.txt", README.encode())
    named: set[str] = set()
    with (
        _replacing(folder / "decisions.jsonl") as lines,
        _replacing(folder / "decisions.csv") as cells,
    ):
        table = csv.DictWriter(
            cells,
            COLUMNS,
            extrasaction="ignore",
            lineterminator="\n",
            # Else a lone CR stands without quotes, and readers begin a row there.
            quoting=csv.QUOTE_NONNUMERIC,
        )
        table.writeheader()
        for row in rows.iterator(chunk_size=_BATCH):
            record = _export_one(row, folder, group_by)
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            table.writerow({name: harmless(record[name]) for name in COLUMNS})
            named |= {record["variant"], record["source"]}
            yield record
    _drop_stale(folder, named)


def _export_one(row: ReviewDecision, folder: Path, group_by: str) -> Record:
    variant, job = row.variant, row.variant.job
    kind = folder / FOLDERS[Decision(row.decision)]
    now = _now(row)
    left_out = now == WITHDRAWN
    content = b"" if left_out else _draft_of(variant, row.digest)
    upload = b"" if left_out else _upload_of(variant, job.source_digest)
    result_name = f"variants/{variant.pk}{Path(variant.draft_name).suffix}"
    product = _product_of(variant, group_by)
    source_name = f"sources/{_stem(job.source_digest, product)}{_suffix_of(upload)}"
    found = {"variant": content, "source": upload}
    missing = [] if left_out else [word for word, data in found.items() if not data]
    if content:
        _write_once(kind / result_name, content)
    if upload:
        _write_once(kind / source_name, upload)
    return {
        "decision": kind.name,
        "now": now,
        "reason": row.reason,
        "note": row.note,
        "at": row.at.isoformat(),
        "reviewer": _pseudonym(row.by_id),
        "variant": f"{kind.name}/{result_name}" if content else "",
        "variant_sha256": row.digest,
        "source": f"{kind.name}/{source_name}" if upload else "",
        "source_sha256": job.source_digest,
        "image": f"{variant.source_type.app_label}.{variant.source_type.model}:{variant.source_id}",
        "product": product,
        "role": variant.role,
        "recipe": job.recipe,
        "fingerprint": job.fingerprint,
        "width": variant.width,
        "height": variant.height,
        "missing": " ".join(missing),
        "steps": job.recipe_table,
        "weights": variant.provenance.get("weights", {}),
        "quality": variant.quality,
    }


def _withdrawals() -> QuerySet[ReviewDecision]:
    return ReviewDecision.objects.filter(variant=OuterRef("variant"), decision=Decision.WITHDRAW)


def _now(row: Any) -> str:
    """Say what has become of a variant; one that was only replaced has kept its date."""
    variant = row.variant
    gone = variant.state == ReviewState.SUPERSEDED and variant.published_at is None
    return WITHDRAWN if gone and row.withdrawn else str(variant.state)


def _draft_of(variant: EnhancedVariant, digest: str) -> bytes:
    """Return the very bytes that were decided about; empty where they are gone."""
    try:
        with storage.failures(), storage.drafts().open(variant.draft_name) as file:
            content: bytes = file.read()
    except FileNotFoundError:
        return b""
    return content if hashlib.sha256(content).hexdigest() == digest else b""


def _upload_of(variant: EnhancedVariant, digest: str) -> bytes:
    """Return the upload that the variant was made of; empty where it is gone or another one."""
    instance = variant.source
    if instance is None:
        return b""
    try:
        content = sources.read_bytes(sources.source_for(type(instance)), instance)
    except (SourceMissingError, SourceTooLargeError, LookupError):
        return b""
    except CapacityError as err:
        # A storage that does not answer must not pass for an upload that is gone.
        raise OSError(err.detail) from err
    return content if hashlib.sha256(content).hexdigest() == digest else b""


def _product_of(variant: EnhancedVariant, group_by: str) -> str:
    """Name what an image shows, a related object like an image; empty where nobody knows."""
    instance = variant.source
    if instance is None or group_by not in sources.columns_of(type(instance)):
        return ""
    value = sources.group_of(instance, group_by)
    if value in (None, ""):
        return ""
    related = instance._meta.get_field(group_by).related_model
    return f"{related._meta.label_lower}:{value}" if related else str(value)


def _stem(digest: str, product: str) -> str:
    """Name an upload by its content, and with a product as training tells the views of one."""
    if not product:
        return digest
    return f"{hashlib.sha256(product.encode()).hexdigest()[:16]}_{int(digest[:16], 16)}"


def _write_once(path: Path, content: bytes) -> None:
    """Write a private file that appears whole or not at all; names stand for their content."""
    if path.exists():
        return
    partial = path.with_name(f"{path.name}.part")
    with _private(partial, "wb") as file:
        file.write(content)
    partial.replace(path)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """Write a private text file that replaces the old one when all of it is there."""
    partial = path.with_name(f"{path.name}.part")
    with _private(partial, "w") as file:
        yield file
    partial.replace(path)


def _drop_stale(folder: Path, named: set[str]) -> None:
    """Delete the pictures of earlier exports that the tables do not name any more."""
    for kind in FOLDERS.values():
        for path in folder.glob(f"{kind}/*/*"):
            ours = _OURS.fullmatch(path.stem) is not None
            if ours and path.relative_to(folder).as_posix() not in named:
                path.unlink()


def _private(path: Path, mode: str) -> IO[Any]:
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(descriptor, mode, encoding=None if "b" in mode else "utf-8")


def check_folder(folder: Path) -> None:
    """Look at a folder before anything is written.

    Raises:
        UnfitFolderError: it lies in one that shoppers may read, or holds something else.
    """
    _refuse_public(folder)
    _refuse_foreign(folder)


def _refuse_public(folder: Path) -> None:
    place = folder.resolve()
    if any(place.is_relative_to(served) for served in storage.served_folders()):
        raise UnfitFolderError(f"{folder} lies in a folder that shoppers may read.")


def _refuse_foreign(folder: Path) -> None:
    """Keep apart what is deleted with the export, and what its README does not speak of."""
    if not folder.exists() or (folder / "decisions.jsonl").exists():
        return
    if not folder.is_dir():
        raise UnfitFolderError(f"{folder} is a file; name a folder.")
    begun = {*FOLDERS.values(), "README.txt"}
    for path in sorted(folder.iterdir()):
        if path.name not in begun and not path.name.startswith((".", "decisions.")):
            raise UnfitFolderError(
                f"{folder} holds {path.name}, which is no export's; name a folder of its own."
            )


def _pseudonym(user_id: Any) -> str:
    if user_id is None:
        return ""
    return salted_hmac("shopimg.review_export", str(user_id)).hexdigest()[:12]


def _suffix_of(upload: bytes) -> str:
    """Return the usual ending of a file's format: names end in ``.jfif`` and others, too."""
    return f".{sniff(upload).replace('jpeg', 'jpg')}" if upload else ""


def counts(rows: QuerySet[ReviewDecision]) -> dict[str, int]:
    """Count decisions by kind and reason, such as ``rejected: text``, in the database."""
    grouped = rows.order_by("decision", "reason").values_list("decision", "reason")
    return {
        FOLDERS[Decision(decision)] + (f": {reason}" if reason else ""): number
        for decision, reason, number in grouped.annotate(number=Count("pk"))
    }
