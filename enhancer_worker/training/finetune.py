"""Tunes a trained net to one shop's photographs, and keeps the result only where it is better."""

import json
import logging
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from enhancer_worker.nets.manifest import (
    SHIPPED_WEIGHTS,
    file_digest,
    read_manifest,
    verified_weights,
)
from enhancer_worker.nets.zoo import ZooEntry, read_net, zoo_entry
from enhancer_worker.training.adapters import adapter_header, adapter_state, add_adapters
from enhancer_worker.training.args import FinetuneArgs
from enhancer_worker.training.averages import write_weights
from enhancer_worker.training.catalogue import (
    Catalogue,
    Fitness,
    TooFewPhotosError,
    read_catalogue,
    split_in_three,
)
from enhancer_worker.training.command_lines import command_line
from enhancer_worker.training.config_file import config_header
from enhancer_worker.training.data import RunClock, spread
from enhancer_worker.training.degradations import MARGIN_PIXELS
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.pictures import judges
from enhancer_worker.training.runs import run
from enhancer_worker.training.trials import Figures, Trial, gains_table, judge, trial_of
from enhancer_worker.training.weight_files import LOST, SUFFIX, entry_of, picture_maker
from shopimg.contract import WorkerError

logger = logging.getLogger(__name__)

CANDIDATE = "candidate"
"""Weight name of what is not judged yet."""
WRITTEN = (".safetensors", ".adapters.safetensors")
"""Ends of the names of the weights of a run."""


@dataclass(frozen=True)
class Base:
    """The trained net that a run starts from."""

    entry: ZooEntry
    """Its architecture and geometry."""
    file: Path
    """Its weights."""
    sha256: str
    """Digest of the file."""


@dataclass(frozen=True)
class Verdict:
    """Whether tuned weights replace their base."""

    before: Figures
    """Of the base, by set and figure, such as `held_out: x2_psnr_y`."""
    after: Figures
    """Of the tuned weights."""
    objections: tuple[str, ...]
    """Why they do not; empty: they do."""

    @property
    def is_better(self) -> bool:
        """Whether the tuned weights are worth using."""
        return not self.objections


def find_base(name: str, net: str = "") -> Base:
    """Look up what `--from` names.

    Args:
        name: a shipped weight name, or the path of a file.
        net: weight name of a file that is not named after one.

    Raises:
        WorkerError: unknown name, missing or altered file, or neither an upscaler nor a restorer.
    """
    is_file = name.endswith(SUFFIX)
    entry = picture_maker(entry_of(Path(name), net) if is_file else zoo_entry(name), "tuned")
    file = Path(name) if is_file else verified_weights(name, SHIPPED_WEIGHTS)
    try:
        return Base(entry, file, file_digest(file))
    except OSError as err:
        raise WorkerError(detail=f"cannot read {file}: {err.strerror}") from err


def finetune(args: FinetuneArgs) -> Verdict:
    """Tune, compare with the base on photographs that chose neither, and keep the better.

    Of the held-out photographs some select among the weights of the run, others judge.

    Writes into `args.out`: `NAME.safetensors` if the tuned weights win, else
    `NAME.lost.safetensors`; the adapters beside it; the candidate, which a resumed run needs;
    `report.json`, which names the photographs that judged; and `facts.json` for `export`.

    Raises:
        TooFewPhotosError: the folder has too few fit photographs, or the guard's has none.
        TrainingArgsError: the base cannot be tuned with these patches.
        WorkerError: there is no such base.
    """
    base = find_base(args.from_, args.net)
    command = command_line(replace(args, from_=Path(args.from_).name, resume=False), "finetune")
    args = args.for_base(base.entry)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    trial = trial_of(base.entry)
    args = replace(args, stop_on=args.stop_on or f"val/{trial.main_figure}")
    catalogue = read_catalogue(args.data, _fitness(args, trial))
    logger.info("%s", _intake(catalogue))
    first, *others = split_in_three(list(catalogue.photos), args.fewest_photos)
    parts = [first, *(spread(part, trial.most_judged) for part in others)]
    training, selecting, judging = ([catalogue.photos[path] for path in part] for part in parts)
    sets = {"held_out": trial.held_out(judging)} | _guard(args, trial)
    net = _trainable(base, args)
    make_batch = trial.batches(training, args)
    if not args.resume:
        _remove(CANDIDATE, args.out)

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(net, trial.score, args, clock)

    pairs = trial.held_out(selecting)
    run(CANDIDATE, build, make_batch, pairs, args, _adapters_writer(base, args))
    verdict = compare_nets(base, args.out / f"{CANDIDATE}.safetensors", sets, trial, args)
    _settle(verdict, base, args)
    used = dict(zip(("training", "selecting", "judging"), map(len, parts), strict=True))
    photos = {**used, "skipped": catalogue.reasons()}
    facts = _facts(verdict, base, command, sum(used.values()))
    _write_report(verdict, base, args, {"photos": photos, **judges(args.data, parts[2])}, facts)
    return verdict


def compare_nets(
    base: Base,
    tuned: Path,
    sets: Mapping[str, Sequence[HeldOut]],
    trial: Trial,
    args: FinetuneArgs,
) -> Verdict:
    """Judge both on the same pairs, and say what speaks against the tuned one."""
    before, after = (
        {
            f"{name}: {figure}": value
            for name, pairs in sets.items()
            for figure, value in judge(read_net(base.entry.name, file), pairs, trial.score).items()
        }
        for file in (base.file, tuned)
    )
    return Verdict(before, after, objections(before, after, trial.main_figure, args))


def objections(
    before: Figures, after: Figures, main_figure: str, args: FinetuneArgs
) -> tuple[str, ...]:
    """Why tuned weights must not replace their base: no gain, or a loss elsewhere."""
    found = []
    main = f"held_out: {main_figure}"
    gain = after[main] - before[main]
    if not gain > args.least_gain:
        found.append(f"{main} gains {gain:+.3f} dB, not more than {args.least_gain:g}")
    for name in before:
        loss = before[name] - after[name]
        if name != main and "psnr" in name and not loss <= args.most_guard_loss:
            found.append(f"{name} loses {loss:.3f} dB, more than {args.most_guard_loss:g}")
    return tuple(found)


def summary(verdict: Verdict, args: FinetuneArgs) -> str:
    """The figures and the verdict, for the terminal."""
    lines = [gains_table(verdict.before, verdict.after)]
    name = find_base(args.from_, args.net).entry.name
    if verdict.is_better:
        lines.append(f"The tuned weights win: {args.out / name}.safetensors\n")
    else:
        lines.append("The tuned weights lose; keep those you have.\n")
        lines += [f"  {objection}\n" for objection in verdict.objections]
        lost, report = args.out / f"{name}{LOST}{SUFFIX}", args.out / "report.json"
        words = ["compare", args.from_, lost, "--data", report, "--out", args.out / "sheet.png"]
        words += ["--net", args.net] if args.net else []
        lines.append(
            "More photographs, more --hours or a lower --learning-rate may help. To look at them: "
            f"{shlex.join(map(str, words))}\n"
        )
    return "".join(lines)


def _fitness(args: FinetuneArgs, trial: Trial) -> Fitness:
    needed = trial.scale * (max(args.patch, args.last_patch) + 2 * MARGIN_PIXELS)
    return Fitness(max(args.smallest_side, needed), args.longest_side)


def _trainable(base: Base, args: FinetuneArgs) -> nn.Module:
    net = deepcopy(read_net(base.entry.name, base.file)).train()
    if args.method == "full":
        net.requires_grad_(True)
        trained = sum(p.numel() for p in net.parameters())
    else:
        trained = add_adapters(net, args.adapter_rank)
    logger.info("%s: training %d numbers (%s)", base.entry.name, trained, args.method)
    return net


def _adapters_writer(base: Base, args: FinetuneArgs) -> Callable[[nn.Module], None] | None:
    if args.method == "full":
        return None
    header = config_header(args) | adapter_header(base.entry.name, base.sha256)
    path = args.out / f"{CANDIDATE}.adapters.safetensors"
    return lambda net: write_weights(adapter_state(net), path, header)


def _guard(args: FinetuneArgs, trial: Trial) -> dict[str, list[HeldOut]]:
    if args.guard is None:
        return {}
    catalogue = read_catalogue(args.guard, _fitness(args, trial))
    if not catalogue.photos:
        reasons = ", ".join(f"{count} {reason}" for reason, count in catalogue.reasons().items())
        raise TooFewPhotosError(f"no fit photograph below {args.guard}: {reasons}")
    photos = spread(list(catalogue.photos.values()), trial.most_judged)
    return {"guard": trial.held_out(photos)}


def _settle(verdict: Verdict, base: Base, args: FinetuneArgs) -> None:
    """Copy the candidate to the name of its base, or to one that nothing loads by accident."""
    name = base.entry.name if verdict.is_better else f"{base.entry.name}{LOST}"
    _remove(base.entry.name, args.out)
    _remove(f"{base.entry.name}{LOST}", args.out)
    for suffix in WRITTEN:
        candidate = args.out / f"{CANDIDATE}{suffix}"
        if candidate.exists():
            shutil.copy(candidate, args.out / f"{name}{suffix}")


def _remove(name: str, out: Path) -> None:
    for suffix in WRITTEN:
        (out / f"{name}{suffix}").unlink(missing_ok=True)


def _write_report(
    verdict: Verdict,
    base: Base,
    args: FinetuneArgs,
    photos: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    report = {
        "base": base.entry.name,
        "base_sha256": base.sha256,
        "method": args.method,
        **photos,
        "before": verdict.before,
        "after": verdict.after,
        "better": verdict.is_better,
        "objections": verdict.objections,
    }
    (args.out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (args.out / "facts.json").write_text(json.dumps({base.entry.name: facts}, indent=2) + "\n")


def _facts(verdict: Verdict, base: Base, command: str, photos: int) -> dict[str, Any]:
    """What `export` shall write into `weights.json` beside the digests."""
    known = read_manifest(SHIPPED_WEIGHTS).get(base.entry.name)
    if known and known.sha256 == base.sha256:
        licence, data = known.licence, [dict(source) for source in known.data]
    else:
        seen = f"what {base.entry.name} of sha256 {base.sha256[:12]} has seen"
        licence, data = "not recorded", [{"name": seen, "licence": "unknown"}]
    own = {"name": f"{photos} photographs of the shop", "licence": "the shop's own"}
    return {
        "command": command,
        "data": [*data, own],
        "licence": f"as the base: {licence}; what was tuned is the shop's own",
        "metrics": {"own photographs": {"base": verdict.before, "tuned": verdict.after}},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _intake(catalogue: Catalogue) -> str:
    """One line per skipped file, then the counts."""
    lines = [f"skipped {path.name}: {reason}" for path, reason in catalogue.skipped.items()]
    counts = ", ".join(f"{number} {reason}" for reason, number in catalogue.reasons().items())
    lines.append(f"{len(catalogue.photos)} photographs are fit; skipped: {counts or 'none'}")
    return "\n".join(lines)
