"""Every knob of a training run, with its unit and what it may be."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any

from enhancer_worker.nets.srvgg import TIERS
from enhancer_worker.nets.zoo import ZooEntry
from enhancer_worker.training.degradations import RestorationMix
from enhancer_worker.training.losses import LOSSES
from enhancer_worker.training.ranges import FRACTION, NOT_NEGATIVE, POSITIVE, Range
from shopimg.contract import FLAVOURS

SCALES = (2, 3, 4)
REFERENCES = ("espcn", "vdsr")
OPTIMIZERS = ("adam", "muon")


class TrainingArgsError(ValueError):
    """The arguments of a run contradict each other, or are not understood."""


@dataclass(frozen=True, kw_only=True)
class TrainingArgs:
    """What all runs share."""

    data: Path
    """Folder laid out as `photos/*/*.jpg` (and `benchmarks/` for `evaluate`)."""
    out: Path
    """Folder for checkpoints, logs and the averaged weights."""
    hours: float = 1.0
    """Wall-clock budget, hours, over all resumed parts; the schedule ends with it; 0: no limit."""
    max_steps: int = 0
    """Optimiser steps after which the run ends at the latest; 0: no limit. With `--hours 0` the
    same seed and steps give the same weights, bit for bit, on one CPU."""
    resume: bool = False
    """Continue from `out/last.ckpt` where there is one."""
    init_from: Path | None = None
    """A `.safetensors` file to start from; tensors of another shape are left as they are."""
    seed: int = 1
    """Seed of the initial weights and of every batch."""
    batch: int = 16
    """Pairs per step."""
    patch: int = 32
    """Side of one low-quality patch, pixels."""
    last_patch: int = 48
    """Side of one patch in the last part of the run, pixels."""
    last_part: float = 0.2
    """Length of the last part, fraction of the run."""
    loss: str = "l1"
    """Pixel loss: l1, charbonnier, l2, log_l2 or fft_l1."""
    last_loss: str = "l2"
    """Pixel loss of the last part of the run; the squared one is what PSNR measures."""
    optimizer: str = "adam"
    """adam, or muon: orthogonalised steps for hidden kernels; fewer steps for the same quality."""
    learning_rate: float = 1e-3
    """Highest Adam step size, unitless."""
    last_learning_rate: float = 1e-5
    """Adam step size at the end of the cosine, unitless."""
    warm_up_steps: int = 200
    """Steps over which the step size grows to its highest."""
    weight_decay: float = 0.0
    """Decoupled decay of all kernels per step, times the step size (AdamW, arXiv 1711.05101)."""
    l2: float = 0.0
    """Weight of the L2 penalty on all kernels, added to the gradient; excludes `weight_decay`."""
    clip_norm: float = 1.0
    """Largest L2 norm of the gradient, unitless."""
    ema_decay: float = 0.999
    """Weight of the past in the averaged weights, per step."""
    bf16_part: float = 0.0
    """Fraction of the run computed in mixed precision (bfloat16), from the start; pays on GPUs
    and on CPUs that multiply it."""
    checkpoint_minutes: float = 4.0
    """Minutes between two resumable checkpoints."""
    validate_minutes: float = 5.0
    """Minutes between two validations."""
    validate_steps: int = 0
    """Steps between two validations, instead of minutes; 0: by minutes."""
    stop_on: str = ""
    """Validation figure that shall grow, such as `val/x2_psnr_y`; the weights that are written are
    then the best by it, else the latest."""
    patience: int = 0
    """Validations without a gain in `stop_on` after which the run stops early; 0: never."""
    least_gain: float = 0.0
    """What counts as a gain, in units of `stop_on`."""
    accelerator: str = "auto"
    """Lightning's name of the device kind: auto, cpu, cuda, mps."""
    devices: int = 1
    """Devices, or processes on a CPU; -1: all. Each draws its own batches."""
    strategy: str = "auto"
    """Lightning's name of how devices work together: auto, ddp."""
    deterministic: bool = False
    """Prefer algorithms that give the same result each time on a GPU too; slower."""
    threads: int = 1
    """CPU threads of PyTorch."""
    loaders: int = 0
    """Processes that draw batches ahead; 0: the training process draws each when it needs it."""

    def __post_init__(self) -> None:
        """Refuse what cannot run, before any photograph is read."""
        for broken, reason in self._mistakes():
            if broken:
                raise TrainingArgsError(reason)

    def _has_figure(self) -> bool:
        """Whether the run knows which figure shall grow."""
        return bool(self.stop_on)

    def ranges(self) -> dict[str, Range]:
        """What each number may be, by field."""
        positive = ("batch", "patch", "last_patch", "threads")
        fractions = ("last_part", "ema_decay", "bf16_part")
        return {
            **{field.name: NOT_NEGATIVE for field in fields(TrainingArgs) if _is_number(field)},
            **dict.fromkeys(positive, POSITIVE),
            **dict.fromkeys(fractions, FRACTION),
            "devices": Range(1, otherwise=-1),
        }

    def _out_of_range(self) -> Iterator[tuple[bool, str]]:
        for name, limits in self.ranges().items():
            number = getattr(self, name)
            flag = "--" + name.replace("_", "-")
            yield not limits.holds(number), f"{flag} is {limits}, not {number:g}"

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        losses = ", ".join(LOSSES)
        return (
            *self._out_of_range(),
            *(
                (bool(loss) and loss not in LOSSES, f"no loss {loss!r}; there are {losses}")
                for loss in (self.loss, self.last_loss)
            ),
            (not self.hours and not self.max_steps, "a run without an end: give hours or steps"),
            (self.seed >= 2**63, "--seed is below 2 to the 63rd"),
            (self.optimizer not in OPTIMIZERS, f"--optimizer is one of {', '.join(OPTIMIZERS)}"),
            (self.optimizer == "muon" and self.l2 > 0, "muon knows weight-decay, not l2"),
            (self.weight_decay > 0 and self.l2 > 0, "either weight decay or l2, not both"),
            (
                self.patience > 0 and not self._has_figure(),
                "patience needs a figure: give stop-on",
            ),
            (
                # Each process would look at its own clock, and wait for the others for ever.
                self.devices != 1 and not self.validate_steps,
                "several devices validate together: give validate-steps",
            ),
        )


def _is_number(field: Field[Any]) -> bool:
    return field.type in {int, float}


@dataclass(frozen=True, kw_only=True)
class UpscalerArgs(TrainingArgs):
    """A run of the plain upscaler."""

    scale: int = 2
    """Output pixels per input pixel along one axis: 2, 3 or 4."""
    net: str = "s"
    """Tier s or m of the plain net, or a reference of the literature: espcn or vdsr."""
    flavour: str = "faithful"
    """faithful: small versions are exact; photo: they are also blurred, noisy and compressed."""

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        nets = (*TIERS, *REFERENCES)
        return (
            *super()._mistakes(),
            (self.scale not in SCALES, f"--scale is one of {', '.join(map(str, SCALES))}"),
            (self.net not in nets, f"--net is one of {', '.join(nets)}"),
            (self.flavour not in FLAVOURS, f"--flavour is one of {', '.join(FLAVOURS)}"),
            (
                self.net in REFERENCES and self.flavour == "photo",
                f"--net {self.net} is a reference of the literature: it has no flavour photo",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class RestorerArgs(TrainingArgs, RestorationMix):
    """A run of the blind restorer, and the mix of damages that it sees."""

    patch: int = 64
    """Side of one patch, pixels, a multiple of 4."""
    last_patch: int = 112
    """Side of one patch in the last part of the run, pixels, a multiple of 4."""
    last_part: float = 0.35
    """Length of the last part, fraction of the run."""
    loss: str = "charbonnier"
    """Pixel loss: l1, charbonnier, l2, log_l2 or fft_l1."""
    learning_rate: float = 5e-4
    """Highest Adam step size, unitless."""
    last_learning_rate: float = 4e-6
    """Adam step size at the end of the cosine, unitless."""

    def ranges(self) -> dict[str, Range]:
        """What each number may be, by field."""
        mix = ("gaussian", "jpeg", "upload", "blur", "grey_jpeg")
        return super().ranges() | dict.fromkeys(mix, FRACTION) | {"largest_sigma": NOT_NEGATIVE}

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        return (
            *super()._mistakes(),
            (
                bool(self.patch % 4 or self.last_patch % 4),
                "patch and last-patch are multiples of 4",
            ),
            (self.clean < 0, "the parts of the mix are more than all: lower one"),
        )


@dataclass(frozen=True, kw_only=True)
class FinetuneArgs(TrainingArgs):
    """A run that tunes a trained net to the photographs of one shop."""

    data: Path
    """Folder with the shop's photographs, in any layout."""
    from_: str
    """What to start from: a weight name, or a file `NAME.safetensors`."""
    net: str = ""
    """Weight name of a file that is not named after one."""
    method: str = "adapters"
    """adapters: train low-rank additions to frozen kernels; full: train every number."""
    adapter_rank: int = 8
    """Channels inside each adapter; more learn more and forget more."""
    guard: Path | None = None
    """Folder with other photographs, on which the tuned weights must not lose."""
    most_guard_loss: float = 0.1
    """PSNR that the tuned weights may lose in any figure but the main one, dB."""
    fewest_photos: int = 12
    """Fit photographs below which the run is refused."""
    smallest_side: int = 200
    """Shorter side below which a photograph is skipped, pixels."""
    longest_side: int = 1600
    """Side to which larger photographs are shrunk, pixels; removes their noise and JPEG traces."""
    hours: float = 0.25
    """Wall-clock budget, hours, over all resumed parts; the schedule ends with it; 0: no limit."""
    patch: int = 0
    """Side of one low-quality patch, pixels; 0: as its kind of network is trained."""
    last_patch: int = 0
    """Side of one patch in the last part, pixels; 0: as its kind of network is trained."""
    last_part: float = -1.0
    """Length of the last part, fraction of the run; -1: as its kind of network is trained."""
    loss: str = ""
    """Pixel loss: l1, charbonnier, l2, log_l2 or fft_l1; by default that of its kind of network."""
    learning_rate: float = 2e-4
    """Highest Adam step size, unitless."""
    last_learning_rate: float = 2e-6
    """Adam step size at the end of the cosine, unitless."""
    warm_up_steps: int = 50
    """Steps over which the step size grows to its highest."""
    least_gain: float = 0.01
    """What counts as a gain, dB: less is chance where a handful of photographs judge."""
    validate_minutes: float = 1.0
    """Minutes between two validations."""

    def _has_figure(self) -> bool:
        """Always: where none is given it is the main one of the kind of network."""
        return True

    def ranges(self) -> dict[str, Range]:
        """What each number may be, by field."""
        return super().ranges() | {
            "adapter_rank": POSITIVE,
            "most_guard_loss": NOT_NEGATIVE,
            "fewest_photos": Range(3),
            "smallest_side": POSITIVE,
            "longest_side": POSITIVE,
            "patch": NOT_NEGATIVE,
            "last_patch": NOT_NEGATIVE,
            "last_part": Range(0, 1, otherwise=-1),
        }

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        return (
            *super()._mistakes(),
            (self.method not in {"adapters", "full"}, "method is adapters or full"),
            (self.init_from is not None, "give from, not init-from"),
            (self.devices != 1, "finetune runs on one device"),
        )

    def for_base(self, entry: ZooEntry) -> "FinetuneArgs":
        """These arguments, with what was not given as networks of this kind are trained.

        Raises:
            TrainingArgsError: the network cannot take such patches.
        """
        kind = RestorerArgs if entry.kind == "restore" else UpscalerArgs
        own, usual = ({f.name: f.default for f in fields(k)} for k in (FinetuneArgs, kind))
        names = ("patch", "last_patch", "last_part", "loss")
        missing: dict[str, Any] = {n: usual[n] for n in names if getattr(self, n) == own[n]}
        args = replace(self, **missing)
        multiple = entry.multiple_of
        if args.patch % multiple or args.last_patch % multiple:
            words = f"{entry.name} needs patches of a multiple of {multiple} pixels"
            raise TrainingArgsError(words)
        return args
