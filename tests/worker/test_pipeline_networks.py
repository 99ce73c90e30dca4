"""Which network enlarges: flavour, tier, and what takes the place of one that does not ship."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enhancer_worker.engine import engine as engine_module
from enhancer_worker.engine.choosing import Purpose, choose_entry
from enhancer_worker.engine.device import Placement
from enhancer_worker.nets.zoo import ZOO
from enhancer_worker.pipeline.assessment import Assessment
from enhancer_worker.pipeline.steps.verdict import Verdict, Verdicts
from shopimg.contract import FLAVOURS, RecipeError, Upscale
from tests.worker.conftest import Make
from tests.worker.recipe_runs import enlarged


@pytest.fixture
def engine_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.LogCaptureFixture]:
    """Collect what the engine warns of, whatever other tests have done to loggers above it."""
    logger = engine_module.logger
    monkeypatch.setattr(logger, "disabled", False)
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    with caplog.at_level(logging.WARNING, logger=logger.name):
        yield caplog


def test_upscale__says_which_flavour_ran(make_engine: Make) -> None:
    engine = make_engine()
    photo, faithful = (
        enlarged(engine, Upscale(scale=2, flavour=flavour)) for flavour in ("photo", "faithful")
    )
    assert (photo.details["flavour"], list(photo.weights)) == ("photo", ["upscale_x2_s_photo"])
    assert (faithful.details["flavour"], list(faithful.weights)) == ("faithful", ["upscale_x2_s"])
    assert (photo.picture.pixels != faithful.picture.pixels).any()


@pytest.mark.parametrize(
    ("judged", "flavour", "network"),
    [
        (Assessment(2.9, 92.1, 1.0), "faithful", "upscale_x2_s"),
        (Assessment(3.1, 92.1, 0.0), "photo", "upscale_x2_s_photo"),
        (Assessment(2.9, 91.9, 0.0), "photo", "upscale_x2_s_photo"),
    ],
    ids=["hardly damaged", "noisy", "compressed"],
)
def test_upscale__looks_which_flavour_suits(
    make_engine: Make,
    monkeypatch: pytest.MonkeyPatch,
    judged: Assessment,
    flavour: str,
    network: str,
) -> None:
    found = Verdict(judged, {"estimate_s": "d" * 64})
    monkeypatch.setattr(Verdicts, "of", lambda *_arguments: found)
    outcome = enlarged(make_engine(), Upscale(scale=2))
    assert outcome.details["flavour"] == flavour
    assert list(outcome.weights) == ["estimate_s", network]


def test_upscale__takes_uploads_for_damaged_where_nothing_estimates(make_engine: Make) -> None:
    engine = make_engine("upscale_x2_s", "upscale_x2_s_photo")
    outcome = enlarged(engine, Upscale(scale=2))
    assert list(outcome.weights) == ["upscale_x2_s_photo"]


def test_upscale__falls_back_to_faithful_and_says_so(
    make_engine: Make, engine_log: pytest.LogCaptureFixture
) -> None:
    engine = make_engine()
    outcomes = [enlarged(engine, Upscale(scale=3)) for _ in range(2)]
    assert [outcome.details["flavour"] for outcome in outcomes] == ["faithful"] * 2
    assert engine_log.messages == ["No network ships for upscale x3 (photo); upscale_x3_s runs."]
    cascade = enlarged(engine, Upscale(to=280))
    assert cascade.details["flavour"] == "faithful, photo"
    assert [run["network"] for run in cascade.details["runs"]] == [
        "upscale_x3_s",
        "upscale_x2_s_photo",
    ]
    assert cascade.picture.pixels.shape == (233, 280, 3)


def test_upscale__says_which_networks_there_are(make_engine: Make) -> None:
    engine = make_engine("upscale_x2_s_photo", "restore_s")
    message = "no network for upscale x3 (photo), only upscale_x2_s_photo, restore_s."
    with pytest.raises(RecipeError) as caught:
        enlarged(engine, Upscale(scale=3))
    assert message in caught.value.public_message
    with pytest.raises(RecipeError, match="no network for upscale x2, only"):
        enlarged(engine, Upscale(scale=2, flavour="faithful"))
    with pytest.raises(RecipeError, match="no network for upscale, only restore_s"):
        enlarged(make_engine("restore_s"), Upscale(to=100))


@pytest.mark.parametrize(
    ("tier", "device", "name"),
    [
        ("auto", "cpu", "upscale_x2_s"),
        ("auto", "cuda:0", "upscale_x2_m"),
        ("m", "cpu", "upscale_x2_m"),
        ("s", "cuda:0", "upscale_x2_s"),
    ],
)
def test_tier__follows_the_device_or_the_setting(
    make_engine: Make, tier: str, device: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(tier=tier)
    monkeypatch.setattr(engine, "placement", Placement("torch", device, "fp32"))
    monkeypatch.setattr(engine_module, "load", lambda entry, placement, config: entry)
    assert engine.net("upscale", 2).name == name


def test_tier__falls_back_to_the_one_that_ships(
    make_engine: Make, engine_log: pytest.LogCaptureFixture
) -> None:
    engine = make_engine("upscale_x2_s", "upscale_x3_s", tier="m")
    outcomes = [enlarged(engine, Upscale(scale=scale, flavour="faithful")) for scale in (2, 2, 3)]
    assert [list(outcome.weights) for outcome in outcomes] == [
        ["upscale_x2_s"],
        ["upscale_x2_s"],
        ["upscale_x3_s"],
    ]
    # There is no tier m of x3 at all, so nothing is missing.
    assert engine_log.messages == ["No network of tier m ships for upscale x2; upscale_x2_s runs."]


every_step = st.one_of(
    st.builds(
        Upscale,
        scale=st.sampled_from(Upscale.SCALES),
        flavour=st.sampled_from(Upscale.CHOICES),
    ),
    st.builds(Upscale, to=st.integers(16, 12_000), flavour=st.sampled_from(Upscale.CHOICES)),
)


@settings(max_examples=300, deadline=None)
@given(st.sets(st.sampled_from(sorted(ZOO))), every_step)
def test_fingerprint__covers_exactly_what_may_run(shipped: set[str], step: Upscale) -> None:
    entries = [ZOO[name] for name in shipped]
    scales = (step.scale,) if step.scale else Upscale.SCALES
    flavours = FLAVOURS if step.flavour == "auto" else (step.flavour,)
    chosen = {
        choose_entry(entries, Purpose("upscale", scale, flavour), tier)
        for flavour in (*flavours, "faithful")  # which draws the text
        for scale in scales
        for tier in ("s", "m")
    }
    names = {entry.name for entry in chosen if entry}
    if step.flavour == "auto":
        names |= shipped & {"estimate_s"}
    assert step.weights(shipped) == names


def test_choose_entry__prefers_the_flavour_to_the_tier() -> None:
    purpose = Purpose("upscale", 2, "photo")
    names = ["upscale_x2_m_photo", "upscale_x2_s_photo", "upscale_x2_s", "upscale_x2_m"]
    order: list[str] = []
    while names:
        entry = choose_entry([ZOO[name] for name in names], purpose, "s")
        assert entry is not None
        order.append(entry.name)
        names.remove(entry.name)
    assert order == ["upscale_x2_s_photo", "upscale_x2_m_photo", "upscale_x2_s", "upscale_x2_m"]


def test_choose_entry__never_takes_a_reference() -> None:
    references = [entry for entry in ZOO.values() if entry.is_reference]
    assert [entry.scale for entry in references] == [2, 3, 4] * 2
    for scale, flavour in itertools.product((2, 3, 4), FLAVOURS):
        assert choose_entry(references, Purpose("upscale", scale, flavour), "s") is None
