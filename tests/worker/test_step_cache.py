"""Products that are cut out already: other backdrops for them cost no networks."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets.manifest import read_manifest
from enhancer_worker.pipeline import run as run_module
from enhancer_worker.pipeline import step_cache
from enhancer_worker.pipeline.context import Context, Picture
from enhancer_worker.pipeline.context_file import pack, unpack
from enhancer_worker.pipeline.encode import encode_mask
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.step_cache import StepCache, before_scene, cache_key
from shopimg.contract import (
    CATALOGUE,
    Backdrop,
    Cutout,
    EnhancedImage,
    Frame,
    Recipe,
    Restore,
    Role,
    Step,
    StepReport,
    Upscale,
)
from tests.worker.products import block, rgba, texture
from tests.worker.recipe_runs import NO_LIMIT, PNG, png, recipe_of
from tests.worker.tiny_nets import write_weights

UPLOAD = png(rgba(block(60, 50, (15, 10, 45, 40), softness=1.0)))
PHOTO = (Restore(), Upscale(scale=2))
SCENE = (
    *(*PHOTO, Cutout(), Frame(width=100, height=90, fill=0.7)),
    Backdrop(generator="colour", colour="#c0b0a0"),
)
LARGE = 10_000_000


class CountingEngine(Engine):
    """Counts the networks that run."""

    def __init__(self, config: WorkerConfig, zoo: Any) -> None:
        super().__init__(config, zoo)
        self.runs = 0

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        return super().run(*args, **kwargs)


@pytest.fixture
def counted(engine: Engine) -> CountingEngine:
    return CountingEngine(engine.config, engine._zoo)


def run(engine: Engine, recipe: Recipe, cache: StepCache | None) -> list[EnhancedImage]:
    return run_recipe(UPLOAD, recipe, engine=engine, deadline=NO_LIMIT, cache=cache)


def with_shadow(mode: str) -> Recipe:
    return recipe_of(*SCENE[:-1], dataclasses.replace(SCENE[-1], shadow_mode=mode))


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def context(seed: int = 0, side: int = 20) -> Context:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return Context(
        Picture(pixels, pixels[..., 0].copy(), grey=True),
        (StepReport("restore", 0.25, {"network": "tiny", "tiles": 3}),),
        {"restore_s": "0" * 64},
        {"noise": 0.125},
        pixels_changed=True,
        judged=True,
        mask=pixels[:10, :, 1].copy(),
    )


# --- jobs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("same_process", [True, False])
def test_cache__spares_the_networks_for_another_backdrop(
    counted: CountingEngine, tmp_path: Path, same_process: bool
) -> None:
    cache = StepCache(tmp_path, LARGE)
    run(counted, with_shadow("soft"), cache)
    assert counted.runs == 2
    (again,) = run(
        counted, with_shadow("hard"), cache if same_process else StepCache(tmp_path, LARGE)
    )
    assert counted.runs == 2
    (fresh,) = run(counted, with_shadow("hard"), None)
    assert counted.runs == 4
    assert again.content == fresh.content
    assert again.mask == fresh.mask
    assert (again.quality, again.weights) == (fresh.quality, fresh.weights)
    assert again.digital_source_type == fresh.digital_source_type


def test_cache__spares_the_networks_for_a_corrected_mask(
    counted: CountingEngine, tmp_path: Path
) -> None:
    run(counted, with_shadow("soft"), StepCache(tmp_path, LARGE))
    assert counted.runs == 2
    mask = encode_mask(np.full((50, 60), 255, np.uint8), (60, 50))
    digest = hashlib.sha256(mask).hexdigest()
    corrected = recipe_of(*PHOTO, Cutout(mask=digest), *SCENE[-2:])
    options: dict[str, Any] = {"engine": counted, "deadline": NO_LIMIT, "masks": {digest: mask}}
    (again,) = run_recipe(UPLOAD, corrected, cache=StepCache(tmp_path, LARGE), **options)
    assert counted.runs == 2
    (fresh,) = run_recipe(UPLOAD, corrected, **options)
    assert counted.runs == 4
    assert again.content == fresh.content
    assert (again.quality, again.weights) == (fresh.quality, fresh.weights)


def test_cache__says_what_an_earlier_job_has_done(counted: CountingEngine, tmp_path: Path) -> None:
    cache = StepCache(tmp_path, LARGE)
    (first,), (again,) = (run(counted, with_shadow(m), cache) for m in ("soft", "none"))
    assert [step.name for step in first.steps] == [step.name for step in again.steps]
    cached = [step for step in again.steps if step.details.get("cached")]
    names = ["decode", "restore", "upscale", "text_guard", "cutout"]
    assert [step.name for step in cached] == names
    assert {step.seconds for step in cached} == {0.0}
    for before, after in zip(first.steps, cached, strict=False):
        assert after.details == {**before.details, "cached": True}
    assert all(step.seconds > 0 for step in again.steps[len(cached) :])
    assert not [step for step in first.steps if "cached" in step.details]


def test_cache__serves_every_role_of_a_catalogue(counted: CountingEngine, tmp_path: Path) -> None:
    roles = (Role("main", PHOTO, PNG), Role("scene", SCENE, PNG, candidates=2))
    recipe, cache = Recipe("all", roles), StepCache(tmp_path, LARGE)
    first = run(counted, recipe, cache)
    assert counted.runs == 2
    again = run(counted, recipe, StepCache(tmp_path, LARGE))
    assert counted.runs == 2
    plain = run(counted, recipe, None)
    contents = [[image.content for image in images] for images in (first, again, plain)]
    assert contents[0] == contents[1] == contents[2]
    assert [step.name for step in again[0].steps] == [step.name for step in first[0].steps]


def test_cache__does_not_begin_a_longer_role_with_corrected_colours(
    counted: CountingEngine, tmp_path: Path
) -> None:
    longer = Role("large", (*PHOTO, Upscale(scale=2)), PNG)
    one = (Role("main", PHOTO, PNG), Role("scene", SCENE, PNG))
    both = (*one, longer)
    cache = StepCache(tmp_path, LARGE)
    run(counted, Recipe("one", one), cache)
    with_cache, without = (run(counted, Recipe("both", both), c) for c in (cache, None))
    assert [i.content for i in with_cache] == [i.content for i in without]


def test_cache__is_not_for_recipes_without_scenes(counted: CountingEngine, tmp_path: Path) -> None:
    run(counted, recipe_of(*PHOTO), StepCache(tmp_path, LARGE))
    assert files_of(tmp_path) == []


def test_cache__can_be_off(counted: CountingEngine, tmp_path: Path) -> None:
    cache = StepCache(tmp_path, 0)
    for _ in range(2):
        run(counted, with_shadow("soft"), cache)
    assert counted.runs == 4
    assert files_of(tmp_path) == []


def test_cache__that_cannot_be_written_still_remembers_the_last_picture(
    counted: CountingEngine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = StepCache(tmp_path / "file", LARGE)
    for mode in ("soft", "hard"):
        run(counted, with_shadow(mode), cache)
    assert counted.runs == 2


def test_cache__is_shared_by_the_workers_of_a_machine(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(engine.config, cache_dir=tmp_path)
    monkeypatch.setattr(
        "enhancer_worker.backend.Engine", lambda config: CountingEngine(config, engine._zoo)
    )
    workers = [NeuralEnhancer(config) for _ in range(2)]
    for worker, mode in zip(workers, ("soft", "none"), strict=True):
        worker.enhance(UPLOAD, with_shadow(mode), deadline=NO_LIMIT)
    runs = [getattr(worker._engine, "runs", None) for worker in workers]
    assert runs == [2, 0]
    assert len(files_of(tmp_path / "steps")) == 2
    assert stat.S_IMODE((tmp_path / "steps").stat().st_mode) == 0o700  # nobody else's pictures


# --- what a key tells apart -----------------------------------------------------------------


def test_key__tells_apart_what_changes_the_result(engine: Engine, tmp_path: Path) -> None:
    def key(digest: str = "0", steps: tuple[Step, ...] = SCENE[:3], **config: Any) -> str:
        changed = dataclasses.replace(engine.config, **config)
        return cache_key(digest, steps, Engine(changed, engine._zoo))

    others = [
        key("1"),
        key(steps=(Restore(0.5), *SCENE[1:3])),
        key(steps=(*SCENE[:2], Cutout(mask="a" * 64))),
        key(precision="fp32"),
        key(tier="m"),
        key(jpeg_decoder="torchcodec"),
        key(weights_dir=write_weights(tmp_path / "fewer", ["restore_s", "upscale_x2_s"])),
    ]
    assert key() == key()
    assert len({key(), *others}) == 8


def test_key__changes_with_the_weights(engine: Engine, tmp_path: Path) -> None:
    folder = write_weights(tmp_path / "other")
    changed = Engine(dataclasses.replace(engine.config, weights_dir=folder), engine._zoo)
    before = cache_key("0", PHOTO, changed)
    listed = (folder / "weights.json").read_text()
    digest = read_manifest(folder)["restore_s"].sha256
    (folder / "weights.json").write_text(listed.replace(digest, "f" * 64))
    assert cache_key("0", PHOTO, changed) != before


def test_key__changes_with_the_code(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key("0", PHOTO, engine)
    monkeypatch.setattr(step_cache, "_code_digest", lambda: "other")
    assert cache_key("0", PHOTO, engine) != before


def test_before_scene__ends_where_the_product_is_framed() -> None:
    assert before_scene(SCENE) == SCENE[:3]
    assert before_scene(PHOTO) == PHOTO
    assert before_scene((Cutout(), Backdrop())) == (Cutout(),)
    assert {before_scene(role.steps)[:2] for role in CATALOGUE.roles} == {CATALOGUE.roles[0].steps}


# --- files ----------------------------------------------------------------------------------


def test_file__keeps_everything() -> None:
    kept, found = context(), unpack(pack(context(), "key"), "key")
    for field in dataclasses.fields(Context):
        if field.name not in ("picture", "mask"):
            assert getattr(found, field.name) == getattr(kept, field.name), field.name
    assert np.array_equal(found.picture.pixels, kept.picture.pixels)
    assert kept.picture.alpha is not None
    assert kept.mask is not None
    assert np.array_equal(found.picture.alpha, kept.picture.alpha)
    assert np.array_equal(found.mask, kept.mask)
    assert found.picture.grey
    assert found.picture.pixels.flags.writeable
    plain = Context(Picture(texture(4, 3)), judged=True)
    assert unpack(pack(plain, "key"), "key").picture.alpha is None


def test_file__that_is_damaged_or_of_something_else_counts_as_none(tmp_path: Path) -> None:
    whole = pack(context(), "key")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (b"", b"foreign", bytes(flipped), whole[:-5], pack(context(), "other")):
        (tmp_path / "key.steps").write_bytes(content)
        assert StepCache(tmp_path, LARGE).get("key") is None
    (tmp_path / "key.steps").write_bytes(whole)
    assert StepCache(tmp_path, LARGE).get("key") is not None


def test_files__keep_the_limit_by_deleting_what_was_not_used_for_longest(tmp_path: Path) -> None:
    size = len(pack(context(side=60), "0"))
    for number in range(3):
        StepCache(tmp_path, LARGE).put(str(number), context(number, side=60))
        os.utime(tmp_path / f"{number}.steps", (number, number))
    (tmp_path / "other.json").write_bytes(b"0" * size)
    assert StepCache(tmp_path, LARGE).get("0") is not None
    StepCache(tmp_path, int(3.5 * size)).put("3", context(3, side=60))
    assert [path.name for path in files_of(tmp_path)] == [
        "0.steps", "2.steps", "3.steps", "other.json"
    ]  # fmt: skip


def test_files__do_not_hold_what_is_larger_than_the_limit(tmp_path: Path) -> None:
    cache = StepCache(tmp_path, 1000)
    cache.put("large", context(side=60))
    assert files_of(tmp_path) == []
    assert cache.get("large") is None


def test_files__that_a_killed_worker_left_are_deleted_after_an_hour(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.steps.0123", tmp_path / ".b.steps.4567"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    StepCache(tmp_path, LARGE).put("key", context())
    assert [path.name for path in files_of(tmp_path)] == [".b.steps.4567", "key.steps"]


def test_memory__holds_the_last_pictures_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_cache, "_MOST_BYTES_IN_MEMORY", 40_000)
    cache = StepCache(tmp_path, LARGE)
    for number in range(3):
        cache.put(str(number), context(number, side=60))
    assert list(cache._memory) == ["1", "2"]


def test_enhance__decodes_nothing_that_it_remembers(
    counted: CountingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = StepCache(tmp_path, LARGE)
    run(counted, with_shadow("soft"), cache)
    monkeypatch.setattr(run_module, "decode", None)
    (again,) = run(counted, with_shadow("none"), cache)
    assert (again.width, again.height) == (100, 90)
