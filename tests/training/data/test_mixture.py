"""Real people and chimeras among the rendered ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from training.data import mixture as module
from training.data.augment import DEPTH_LIMIT, INTENSITY_LIMIT, InputChoice
from training.data.batches import BatchConfig, BatchSampler, TensorSet
from training.data.captured import Captured
from training.data.mixture import CAPTURED_FROM, CHIMERAS_FROM, MixedSampler, Mixture, _Kind

BATCH = BatchConfig(identities=8, images=3)
MIXTURE = Mixture(captures=4, chimeras=40, difference_share=0.5, moved_share=0.0)
MARK = np.float16(1.6875)
"""Of somebody whose tensors are this number everywhere."""


def real_people(*names: str, marked: str = "") -> Captured:
    """Six captures each; those of somebody marked are `MARK` everywhere."""
    rng = np.random.default_rng(8)
    who = np.repeat(np.array(names), 6)
    tensors = rng.uniform(-1.5, 1.5, (len(who), *TENSOR_SHAPE)).astype(np.float16)
    tensors[:, :, :10] = 0  # not known
    tensors[who == marked] = MARK
    return Captured(
        tensors,
        np.zeros((len(who), *CHIP_SHAPE), np.uint8),
        who,
        np.array([f"{number:02}" for number in range(len(who))]),
        np.zeros(len(who), np.int32),
        "the aligner",
    )


def sampler(
    people: TensorSet,
    captured: Captured | None = None,
    mixture: Mixture = MIXTURE,
    *,
    inputs: InputChoice | None = None,
    seed: int = 4,
) -> MixedSampler:
    return MixedSampler(BatchSampler(people, BATCH, seed, inputs), captured, mixture, seed, inputs)


def marked(tensors: np.ndarray) -> np.ndarray:
    """Which tensors show the marked person's depth or picture."""
    return ((tensors == MARK).mean(axis=(2, 3)) > 0.5).any(axis=1)


def test_a_batch_has_everybody_and_chimeras(people: TensorSet) -> None:
    mixed = sampler(people, real_people("ada", "ben"))
    assert mixed.identity_count == 48 + 2
    assert mixed.batch_size == 8 * 3 + 2 * 4 + 40
    for number in range(5):
        tensors, identities = mixed.draw(number)
        assert tensors.shape == (len(identities), *TENSOR_SHAPE)
        assert tensors.dtype == np.float32
        assert np.isfinite(tensors).all()
        assert np.abs(tensors[:, 0]).max() <= DEPTH_LIMIT
        assert np.abs(tensors[:, 1:]).max() <= INTENSITY_LIMIT
        rendered, real = (
            identities < CAPTURED_FROM,
            (identities >= CAPTURED_FROM) & (identities < CHIMERAS_FROM),
        )
        assert rendered.sum() == 24
        assert np.unique(identities[real], return_counts=True)[1].tolist() == [4, 4]
        chimeras = identities[identities >= CHIMERAS_FROM]
        # Some had both halves of one person, and are none.
        assert len(chimeras) == 40
        assert len(np.unique(chimeras)) == len(chimeras)


def test_a_batch_depends_on_seed_and_number_alone(people: TensorSet) -> None:
    captured = real_people("ada", "ben")
    first = sampler(people, captured)
    first.draw(0)
    for ours, theirs in zip(first.draw(3), sampler(people, captured).draw(3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = sampler(people, captured, seed=5)
    assert not np.array_equal(first.draw(3)[1], other.draw(3)[1])
    assert not np.array_equal(first.draw(3)[1], first.draw(4)[1])


def test_what_is_mixed_in_leaves_the_rendered_choice_as_it_was(people: TensorSet) -> None:
    plain = BatchSampler(people, BATCH, 4).draw(2)[1]
    np.testing.assert_array_equal(sampler(people, real_people("ada")).draw(2)[1][: len(plain)], plain)


def test_without_real_people_there_are_chimeras_of_rendered_ones(people: TensorSet) -> None:
    tensors, identities = sampler(people, None, replace(MIXTURE, difference_share=0.0)).draw(0)
    rendered = BatchSampler(people, BATCH, 4).draw(0)[0]
    np.testing.assert_array_equal(tensors[:24], rendered)
    assert ((identities < CAPTURED_FROM) | (identities >= CHIMERAS_FROM)).all()


@pytest.mark.parametrize("kind", list(_Kind))
def test_a_chimera_is_nobody(people: TensorSet, monkeypatch: pytest.MonkeyPatch, kind: _Kind) -> None:
    monkeypatch.setattr(module, "_SHARES", tuple(float(each is kind) for each in _Kind))
    mixed = sampler(people, real_people("ada", "ben"), replace(MIXTURE, difference_share=0.0))
    tensors, identities = mixed.draw(0)
    of_people, of_chimeras = tensors[identities < CHIMERAS_FROM], tensors[identities >= CHIMERAS_FROM]
    owners = identities[identities < CHIMERAS_FROM]
    others_depth = 0
    for chimera in of_chimeras:
        pictures = np.flatnonzero((of_people[:, 1:] == chimera[1:]).all(axis=(1, 2, 3)))
        depths = np.flatnonzero((of_people[:, 0] == chimera[0]).all(axis=(1, 2)))
        assert len(pictures)  # somebody's picture, as it is
        assert not set(owners[pictures]) & set(owners[depths])  # over a shape that is not theirs
        others_depth += bool(len(depths))
        own = of_people[pictures[0], 0]
        if kind >= _Kind.MEAN_HEAD:
            assert not chimera[0][own == 0].any()  # what is not known stays so
    # Where chance gives both to one person, the shape is blurred.
    assert 20 < others_depth < 40 if kind is _Kind.ANOTHERS else not others_depth
    if kind is _Kind.MEAN_HEAD:
        assert np.abs(of_chimeras[:, 0]).max() < 0.5
    if kind is _Kind.BLURRED:
        assert of_chimeras[:, 0].std() < of_people[:, 0].std()


def test_some_chimeras_have_real_depth_and_some_real_pictures(people: TensorSet) -> None:
    captured = real_people("ada", "ben")
    everyone = replace(MIXTURE, captured_share=0.5, difference_share=0.0)
    tensors, identities = sampler(people, captured, everyone).draw(1)
    real = (identities >= CAPTURED_FROM) & (identities < CHIMERAS_FROM)
    chimeras = tensors[identities >= CHIMERAS_FROM]

    def among(part: slice) -> int:
        return sum(
            bool((tensors[real][:, part] == each[part]).all(axis=(1, 2, 3)).any()) for each in chimeras
        )

    assert among(slice(0, 1)) >= 5
    assert among(slice(1, None)) >= 10


def test_people_left_out_never_appear(people: TensorSet) -> None:
    captured = real_people("ada", "ben", "eve", marked="eve")
    everything = replace(MIXTURE, difference_share=1.0)
    there = sampler(people, captured, everything)
    assert any(marked(there.draw(number)[0]).any() for number in range(3))
    left_out = sampler(people, captured.without(["eve"]), everything)
    for number in range(10):
        tensors, _ = left_out.draw(number)
        assert not marked(tensors).any()
    # Nothing of them decides a batch either.
    never_there = sampler(people, real_people("ada", "ben", "eve").without(["eve"]), everything)
    np.testing.assert_array_equal(left_out.draw(2)[0], never_there.draw(2)[0])


def test_differences_are_added_only_where_everything_is_known(people: TensorSet) -> None:
    captured = real_people("ada", "ben")
    holed = people.tensors.copy()
    holed[:, 0, 60:] = 0
    holed = replace(people, tensors=holed)
    rendered = BatchSampler(holed, BATCH, 4).draw(0)[0]
    changed = sampler(holed, captured, replace(MIXTURE, difference_share=1.0)).draw(0)[0][: len(rendered)]
    differs = changed != rendered
    assert differs[:, :, 10:60].mean() > 0.9
    assert not differs[:, :, :10].any()  # the captures do not know it
    assert not differs[:, 0, 60:].any()  # the render does not
    none = sampler(holed, captured, replace(MIXTURE, difference_share=0.0)).draw(0)[0][: len(rendered)]
    np.testing.assert_array_equal(none, rendered)


def test_whole_batches_are_moved_towards_the_real_peoples_mean(people: TensorSet) -> None:
    captured = real_people("ada", "ben")
    moved_there = captured.tensors.copy()
    moved_there[:, 0] = np.where(moved_there[:, 0] != 0, np.float16(2.0), 0)
    captured = replace(captured, tensors=moved_there)
    plain = replace(MIXTURE, difference_share=0.0, chimeras=0)
    still, moved = (sampler(people, captured, replace(plain, moved_share=share)) for share in (0.0, 1.0))
    rendered = BATCH.identities * BATCH.images
    for number in range(5):
        before, after = (each.draw(number)[0][:rendered] for each in (still, moved))
        np.testing.assert_array_equal(after[:, 1:], before[:, 1:])
        apart = after[:, 0] - before[:, 0]
        assert not apart[before[:, 0] == 0].any()  # what is not known stays so
        inside = np.abs(after[:, 0]) < DEPTH_LIMIT
        known = (before[:, 0] != 0) & inside
        known[:, :10] = False
        # Everybody by as much, towards a mean that is nearer than any of them.
        for row, column in ((20, 30), (50, 40)):
            np.testing.assert_allclose(np.ptp(apart[known[:, row, column], row, column]), 0.0, atol=1e-5)
        assert apart[known].mean() > 0.3
    some = sampler(people, captured, replace(plain, moved_share=0.5))
    different = [
        bool((some.draw(number)[0][:rendered] != still.draw(number)[0][:rendered]).any())
        for number in range(20)
    ]
    assert 4 <= sum(different) <= 16


def test_what_the_network_may_not_see_is_emptied_in_everybody(people: TensorSet) -> None:
    depth = InputChoice("depth")
    tensors, _ = sampler(people, real_people("ada"), replace(MIXTURE, chimeras=0), inputs=depth).draw(0)
    assert not tensors[:, 1:].any()
    assert tensors[:, 0].any(axis=(1, 2)).all()
