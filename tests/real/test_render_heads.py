"""Renders of the parametric head: repeatable, and true to the truth they state."""

from itertools import pairwise

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.attacks.print_in_room import render_print  # noqa: E402
from training.camera.raster import Camera, Pose  # noqa: E402
from training.data.config import SPLITS, TRAIN  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead, normals_of  # noqa: E402
from training.people.person import Identity, Studio  # noqa: E402
from training.scenes.crops import render_crop, render_head  # noqa: E402
from training.scenes.rooms import render_room  # noqa: E402

if not DEFAULT_PATH.is_dir():
    pytest.skip(f"no parametric head: {DEFAULT_PATH} is missing", allow_module_level=True)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(ParametricHead.load())


def _identity(studio: Studio, seed: int) -> Identity:
    rng = np.random.default_rng(seed)
    return studio.identity(rng, rng.standard_normal(100).astype(np.float32), hair_varies=False)


def test_face_frame(studio: Studio) -> None:
    head = studio.head
    corners = head.mean[head.landmarks68[[36, 45]]]
    np.testing.assert_allclose(corners.mean(axis=0), 0, atol=1e-3)
    nose, chin = head.mean[head.landmarks68[30]], head.mean[head.landmarks68[8]]
    assert nose[2] < -20  # towards the camera
    assert chin[1] > 80  # down
    assert corners[0, 0] < 0 < corners[1, 0]  # the subject's right is at the image's left
    assert normals_of(head.mean, head.triangles)[head.landmarks68[30], 2] < -0.9


def test_vertices_are_linear_in_the_weights(studio: Studio) -> None:
    head = studio.head
    rng = np.random.default_rng(0)
    identity, expression = rng.standard_normal(100), np.zeros(53)
    expression[head.expression_index("jawOpen")] = 0.7
    both = head.vertices(identity, expression)
    apart = head.vertices(identity) + head.vertices(np.zeros(100), expression) - head.mean
    np.testing.assert_allclose(both, apart, atol=2e-3)


@pytest.mark.parametrize("modality", ["infrared", "color", "both"])
def test_the_same_seed_gives_the_same_capture(studio: Studio, modality: str) -> None:
    first, second, other = (
        render_crop(np.random.default_rng(seed), studio, _identity(studio, 3), modality=modality)
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.depth_mm, second.depth_mm)
    for name in ("infrared", "color"):
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None) == (modality not in {name, "both"})
        if a is not None:
            np.testing.assert_array_equal(a, b)
    assert first.eye_midpoint_mm.tolist() == second.eye_midpoint_mm.tolist()
    assert first.depth_mm.shape != other.depth_mm.shape or (first.depth_mm != other.depth_mm).any()


@pytest.mark.parametrize("offset", [(0.0, 0.0), (35.0, -20.0)], ids=["centred", "hidden offset"])
def test_eye_corners_lie_on_the_measured_surface(studio: Studio, offset: tuple[float, float]) -> None:
    head = studio.head
    errors = []
    for seed in range(6):
        identity = _identity(studio, seed)
        pose = Pose(6.0 * (seed - 2.5), 5.0, -3.0, (10.0, -15.0, 850.0))
        camera = Camera(365.0, 365.0, 64.5, 64.5, 130, 130)
        rng = np.random.default_rng(seed)
        neutral = np.zeros(53, np.float32)
        capture = render_head(
            rng, studio, identity, neutral, pose, camera, background="none", hidden_offset_px=offset
        )
        # The nasal bridge between the eyes: bare skin, whatever the lids and the hair do.
        vertices = head.vertices(identity.weights)
        bridge = vertices[head.landmarks68[27]] @ pose.rotation.T
        middle = vertices[head.landmarks68[[36, 45]]].mean(axis=0) @ pose.rotation.T
        point = capture.eye_midpoint_mm + bridge - middle
        if offset != (0.0, 0.0):  # the assumed camera shears what it sees
            point[:2] -= np.array(offset) / -365.0 * (bridge - middle)[2]
        u, v = np.rint(camera.project(point)[0]).astype(int)
        patch = capture.depth_mm[v - 1 : v + 2, u - 1 : u + 2].astype(float)
        errors.append(np.median(patch[patch > 0]) - point[2])
    assert np.abs(np.median(errors)) < 5
    assert np.abs(errors).max() < 14


def test_room_holds_what_it_says(studio: Studio) -> None:
    for distance in (400.0, 1200.0):
        capture = render_room(np.random.default_rng(4), studio, _identity(studio, 1), distance_mm=distance)
        assert capture.depth_mm.shape == capture.infrared.shape == (480, 640)
        assert abs(capture.distance_mm - distance) < 40
        assert len(capture.others_mm) == 1
        assert capture.others_mm[0][2] > distance + 250
        u, v = np.rint(capture.camera.project(capture.eye_midpoint_mm)[0]).astype(int)
        patch = capture.depth_mm[v - 8 : v + 8, u - 8 : u + 8].astype(float)
        assert abs(np.median(patch[patch > 0]) - distance) < 60


def test_rivals_are_at_nearly_the_same_distance(studio: Studio) -> None:
    gaps, distances = [], []
    for seed in range(12):
        capture = render_room(
            np.random.default_rng(seed), studio, _identity(studio, 1), rival=True, second_person=False
        )
        (other,) = np.array(capture.others_mm)
        gaps.append(other[2] - capture.eye_midpoint_mm[2])
        distances.append(capture.distance_mm)
        for eyes in (capture.eye_midpoint_mm, other):  # both whole in the picture, and not hidden
            u, v = capture.camera.project(eyes)[0]
            reach = 70.0 * capture.camera.fx / eyes[2]
            assert reach < u < 640 - reach
            patch = capture.depth_mm[int(v) - 4 : int(v) + 5, int(u) - 4 : int(u) + 5].astype(float)
            assert abs(np.median(patch[patch > 0]) - eyes[2]) < 60
    assert -1e-6 < min(gaps) < 60
    assert 150 < max(gaps) < 236
    assert min(distances) < 800
    assert max(distances) > 1250


def test_a_print_is_flat(studio: Studio) -> None:
    capture = render_print(np.random.default_rng(0), studio, _identity(studio, 1), distance_mm=600.0)
    u, v = np.rint(capture.camera.project(capture.eye_midpoint_mm)[0]).astype(int)
    rows, columns = np.mgrid[v - 40 : v + 40, u - 40 : u + 40]
    depth = capture.depth_mm[rows, columns].astype(float)
    seen = depth > 0
    design = np.stack([rows[seen], columns[seen], np.ones(seen.sum())], axis=1)
    # Inverse depth is linear in the pixel for every plane.
    residual = 1 / (design @ np.linalg.lstsq(design, 1 / depth[seen], rcond=None)[0]) - depth[seen]
    assert np.std(residual) < 2


def test_splits_share_no_identity_and_no_seed() -> None:
    spans = [(s.first_identity, s.first_identity + s.identities) for s in SPLITS.values()]
    spans.sort()
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert len({s.seed for s in SPLITS.values()}) == len(SPLITS)


def test_an_identity_does_not_depend_on_what_was_rendered_before(studio: Studio) -> None:
    from training.data.build import cluster_of, make_identity

    first, cluster = make_identity(studio, TRAIN, 26)
    for index in (3, 27):
        make_identity(studio, TRAIN, index)
    second, _ = make_identity(studio, TRAIN, 26)
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.skin.infrared, second.skin.infrared)
    assert cluster == cluster_of(TRAIN, 26) >= 0
    mates = [make_identity(studio, TRAIN, index)[0].weights for index in (25, 26, 27, 60)]
    near = np.linalg.norm(mates[0] - mates[1])
    far = np.linalg.norm(mates[0] - mates[3])
    assert near < 0.8 * far
    shares = [cluster_of(TRAIN, index) >= 0 for index in range(1000)]
    assert np.mean(shares) == pytest.approx(TRAIN.clustered_share)
