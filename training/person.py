"""People for renders: an identity's lasting look, and one moment of it shaded in front of a camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from training.appearance import FacePaint, Rng, Skin, texel_grid
from training.hair import Hair, HairStyle, displace, draw_style, paint, vary_style
from training.ict import (
    OUTER_EYE_CORNERS,
    PART_EYES,
    PART_FACE,
    PART_HEAD,
    PART_SOCKETS,
    ParametricHead,
    normals_of,
)
from training.portraits import Portraits
from training.raster import Camera, Pose, draw, lit, rotation_of
from training.sensor import REFERENCE_MM, Scene
from training.wear import (
    Cap,
    Glasses,
    Mesh,
    Wear,
    cap_edge,
    cap_mesh,
    glasses_meshes,
    lens_normals,
    lens_pictures,
)

Floats = NDArray[np.float32]

# Codes in the third channel of the first attribute: 0..1 skin to inner mouth, then:
CODE_EYE, CODE_CLOTH, CODE_FRAME, CODE_CAP = 2.0, 3.0, 4.0, 5.0
NECK_PIVOT_MM = np.float32([0.0, 172.0, 85.0])  # face frame: where the neck meets the shoulders
IRIS_RAD, PUPIL_RAD = 0.40, 0.15  # as seen from the eye's centre


@dataclass(frozen=True, eq=False)
class Identity:
    """One rendered person.

    Attributes
    ----------
    weights : (100,) identity weights of the parametric head.
    skin, style : the lasting look.
    hair_varies : whether captures show different haircuts, not just different strands.
    glasses : those the person has, or None.
    """

    weights: Floats
    skin: Skin
    style: HairStyle
    hair_varies: bool
    glasses: Glasses | None = None


@dataclass(frozen=True, eq=False)
class Light:
    """A point light (camera frame, millimetres) with its own ambient share."""

    position_mm: Floats
    ambient: float
    falloff: bool
    tint: Floats


class Studio:
    """Everything that renders share: the head's arrays, masks on the atlas, the torso's mesh."""

    def __init__(self, head: ParametricHead) -> None:
        self.head = head
        self.paint = FacePaint(head)
        part = head.part
        eye_vertices = np.flatnonzero(part == PART_EYES)
        # The mesh ends in a bust; the torso takes over, so the neck is kept from spreading.
        self._bust = np.flatnonzero(head.mean[:, 1] > 130.0)
        attributes = np.zeros((len(head.mean), 3), np.float32)
        attributes[:, :2] = self.paint.texels
        for side in (-1, 1):
            mine = eye_vertices[np.sign(head.mean[eye_vertices, 0]) == side]
            centre = 0.5 * (head.mean[mine].min(axis=0) + head.mean[mine].max(axis=0))
            ray = head.mean[mine] - centre
            angle = np.arccos(np.clip(-ray[:, 2] / np.linalg.norm(ray, axis=1), -1, 1))
            attributes[mine, 0] = angle
            attributes[mine, 2] = CODE_EYE
        self._attributes = attributes
        self._mouth = np.flatnonzero((part == PART_SOCKETS) & (head.mean[:, 1] > 35.0))
        self._inner_lips = head.landmarks68[60:68]
        # Hair grows on skin only: not on eyes, not in sockets. The mean head's normals are near enough.
        self._bare = (part == PART_EYES) | (part == PART_SOCKETS)
        self._growth = normals_of(head.mean, head.triangles)
        self._growth[self._bare] = 0.0
        self._skull = (part == PART_FACE) | (part == PART_HEAD)

    @cached_property
    def _torso(self) -> tuple[Floats, NDArray[np.int32]]:
        """Rings around the vertical axis below the neck: (V, 3) from the pivot, and triangles."""
        rings = np.array(
            # y, half width, half depth
            [(-30, 60, 62), (-8, 70, 68), (12, 100, 80), (34, 148, 92), (60, 184, 102),
             (100, 206, 110), (170, 214, 118), (400, 206, 122), (1500, 196, 120)],
            np.float32,
        )  # fmt: skip
        around = np.linspace(0, 2 * np.pi, 33)[:-1]
        x, z = np.sin(around), -np.cos(around)
        vertices = np.stack(
            [np.stack([x * a, np.full_like(x, y), z * b], axis=1) for y, a, b in rings]
        ).reshape(-1, 3)
        n = len(around)
        triangles = []
        for ring in range(len(rings) - 1):
            for k in range(n):
                a, b = ring * n + k, ring * n + (k + 1) % n
                triangles += [(a, a + n, b), (b, a + n, b + n)]
        return vertices.astype(np.float32), np.array(triangles, np.int32)

    def identity(
        self,
        rng: Rng,
        weights: Floats,
        *,
        hair_varies: bool,
        portraits: Portraits | None = None,
        portrait_share: float = 0.0,
    ) -> Identity:
        """Give identity weights (100,) a look; with probability ``portrait_share`` that of ``portraits``."""
        portrait = None
        if portraits is not None and rng.random() < portrait_share:
            portrait = portraits.blend(rng)
        skin = self.paint.skin(rng, portrait)
        return Identity(np.asarray(weights, np.float32), skin, draw_style(rng), hair_varies)

    def _body(self, rng: Rng, pose: Pose) -> tuple[Floats, NDArray[np.int32], Floats, Floats]:
        """Torso in the camera frame, its triangles, attributes and cloth colour."""
        vertices, triangles = self._torso
        scale = np.float32([rng.uniform(0.85, 1.1), rng.uniform(0.9, 1.15), rng.uniform(0.85, 1.1)])
        ring = np.arange(len(vertices)) // 32
        folds = cv2.GaussianBlur(rng.standard_normal((9, 32), dtype=np.float32), (0, 0), 0.9).reshape(-1, 1)
        body = vertices * scale * (1 + 0.06 * folds) + np.float32([0, rng.uniform(-28, 20), 0])
        if rng.random() < 0.4:  # an open collar or hood stands off the neck
            body[ring < 2] *= np.float32([1.25, 1, 1.3])
        turn = rotation_of(
            0.4 * pose.yaw_deg + rng.normal(0, 6), rng.normal(0, 5), 0.2 * pose.roll_deg + rng.normal(0, 3)
        )
        pivot = pose.rotation @ NECK_PIVOT_MM + pose.translation
        albedo = np.float32(rng.choice([rng.uniform(0.08, 0.3), rng.uniform(0.3, 1.0)]))
        attributes = np.zeros((len(body), 3), np.float32)
        attributes[:, 0] = albedo * (1 + 0.1 * folds[:, 0])
        attributes[:, 2] = CODE_CLOTH
        cloth = rng.uniform(0.02, 0.6, 3).astype(np.float32)
        cloth = 0.4 * cloth + 0.6 * cloth.mean()  # most clothes are dull
        return (body @ turn.T + pivot).astype(np.float32), triangles, attributes, cloth

    def shoot(
        self,
        rng: Rng,
        identity: Identity,
        expression: Floats,
        pose: Pose,
        camera: Camera,
        infrared_light: Light,
        color_lights: tuple[Light, ...] = (),
        wear: Wear | None = None,
    ) -> tuple[Scene, NDArray[np.float64]]:
        """Shade one person in front of ``camera``.

        Returns
        -------
        Ideal pictures, depth inf where nothing is; and the true midpoint (3,) of this head's outer eye
        corners in the camera frame, millimetres.
        """
        head = self.head
        shape = head.vertices(identity.weights, expression)
        corners = shape[head.landmarks68[list(OUTER_EYE_CORNERS)]]
        midpoint = pose.rotation @ corners.mean(axis=0) + pose.translation
        mouth = self._mouth
        lips_z = shape[self._inner_lips, 2].mean()
        room = np.float32(rng.uniform(10, 32))  # tongue and teeth: the mouth is not a cave
        inner = np.maximum(shape[mouth, 2] - lips_z, 0)
        shape[mouth, 2] = np.where(inner > 0, lips_z + room * (1 - np.exp(-inner / room)), shape[mouth, 2])

        flat = shape[self._bust][:, [0, 2]] - NECK_PIVOT_MM[[0, 2]]
        flat *= np.minimum(1, 62.0 / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1))
        shape[np.ix_(self._bust, [0, 2])] = flat + NECK_PIVOT_MM[[0, 2]]

        style = identity.style
        style = draw_style(rng) if identity.hair_varies and rng.random() < 0.5 else vary_style(rng, style)
        hair = paint(rng, style)
        wear = wear or Wear()
        if wear.cap is not None:
            hair = _pressed(hair, wear.cap)
        grown = displace(shape, self._growth, self.paint.texels, hair, identity.skin.relief_mm)
        grown[self._bare] = shape[self._bare]

        in_camera = (grown @ pose.rotation.T.astype(np.float32) + np.float32(pose.translation_mm)).astype(
            np.float32
        )
        body, body_triangles, body_attributes, cloth = self._body(rng, pose)
        attributes = self._attributes.copy()
        attributes[mouth, 2] = np.clip(inner / 8.0, 0, 1)
        parts = [(in_camera, head.triangles, attributes), (body, body_triangles, body_attributes)]
        colors = [cloth, cloth, cloth]  # of cloth, frames and cap
        lenses = None
        if wear.glasses is not None:
            frame, lenses = glasses_meshes(wear.glasses, shape, head.landmarks68)
            parts.append(_worn(frame, pose, wear.glasses.infrared, CODE_FRAME))
            colors[1] = np.float32(wear.glasses.rgb)
        if wear.cap is not None:
            shell = cap_mesh(wear.cap, grown, head.mean, head.triangles, self._skull)
            parts.append(_worn(shell, pose, wear.cap.infrared, CODE_CAP))
            colors[2] = np.float32(wear.cap.rgb)
        starts = np.cumsum([0] + [len(part[0]) for part in parts])
        vertices = np.vstack([part[0] for part in parts])
        triangles = np.vstack(
            [part[1] + start for part, start in zip(parts, starts, strict=False)], dtype=np.int32
        )
        surface = np.vstack([part[2] for part in parts])
        turned = normals_of(vertices, triangles)

        distance = np.linalg.norm(vertices, axis=1, keepdims=True)
        to_camera = -vertices / distance
        facing = np.clip((turned * to_camera).sum(axis=1), 0, 1)
        diffuse, gloss = _irradiance(vertices, triangles, turned, to_camera, infrared_light)
        layers = [surface, np.stack([diffuse, gloss, facing], axis=1)]
        for light in color_lights:
            extra, shine = _irradiance(vertices, triangles, turned, to_camera, light)
            layers.append(np.stack([extra, shine, facing], axis=1))
        depth, pictures = draw(vertices, triangles, tuple(layers), camera)
        scene = _paint_pixels(
            rng,
            identity,
            hair_mask=hair.mask,
            hair_shade=hair.shade,
            cloths=colors,
            depth=depth,
            pictures=pictures,
            color_lights=color_lights,
        )
        if wear.glasses is not None and lenses is not None:
            lights = (infrared_light, *color_lights)
            scene = _through_lenses(scene, wear.glasses, lenses, pose, camera, lights)
        return scene, midpoint


def _in_camera(points: Floats, pose: Pose) -> Floats:
    moved: Floats = (points @ pose.rotation.T + pose.translation).astype(np.float32)
    return moved


def _worn(mesh: Mesh, pose: Pose, albedo: float, code: float) -> tuple[Floats, NDArray[np.int32], Floats]:
    """A worn thing in the camera frame: vertices, triangles, attributes."""
    attributes = np.zeros((len(mesh.vertices), 3), np.float32)
    attributes[:, 0], attributes[:, 2] = albedo, code
    return _in_camera(mesh.vertices, pose), mesh.triangles, attributes


def _pressed(hair: Hair, cap: Cap) -> Hair:
    """Hair under a cap lies flat."""
    angle, y = texel_grid()
    under = np.clip((cap_edge(cap, angle) + 10.0 - y) / 10.0, 0, 1).astype(np.float32)
    flat = hair.thickness_mm * (1 - under) + under * np.minimum(hair.thickness_mm, 2.0)
    return replace(hair, thickness_mm=flat.astype(np.float32))


def _through_lenses(
    scene: Scene, glasses: Glasses, lenses: Mesh, pose: Pose, camera: Camera, lights: tuple[Light, ...]
) -> Scene:
    """Dim what lies behind the lenses, and add the lamps' reflections; the first lamp is infrared's."""
    turned = (lens_normals(lenses) @ pose.rotation.T).astype(np.float32)
    placed = replace(lenses, vertices=_in_camera(lenses.vertices, pose))
    depth, normal = lens_pictures(placed, turned, camera)
    before = depth < scene.depth_mm
    x, y = camera.rays()
    z = np.where(before, depth, 1.0)
    points = np.stack([x[None, :] * z, y[:, None] * z, z], axis=-1)
    to_camera = -points / np.linalg.norm(points, axis=-1, keepdims=True)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)

    def glint(light: Light) -> Floats:
        half = light.position_mm - points
        half = half / np.linalg.norm(half, axis=-1, keepdims=True) + to_camera
        half /= np.linalg.norm(half, axis=-1, keepdims=True)
        away = np.clip(1 - (normal * half).sum(axis=-1), 0, 1)
        # 1 - cos(1.7 degrees) = 0.00045: lamps are a few centimetres wide.
        shine: Floats = (glasses.glint * np.exp(-away / 0.00045) * before).astype(np.float32)
        return shine

    lens = before.astype(np.float32)
    infrared, *others = lights
    radiance = scene.radiance * (1 - lens * (1 - np.float32(glasses.clear_infrared) ** 2)) + glint(infrared)
    color = scene.color
    if color is not None:
        color = color * (1 - lens * (1 - np.float32(glasses.clear_rgb) ** 2))[..., None]
        for light in others:
            color = color + glint(light)[..., None] * light.tint
    return replace(scene, radiance=radiance, color=color, lens=lens)


def _irradiance(
    vertices: Floats, triangles: NDArray[np.int32], normals: Floats, to_camera: Floats, light: Light
) -> tuple[Floats, Floats]:
    """Diffuse and specular light (V,) at each vertex."""
    to_light = light.position_mm - vertices
    distance = np.linalg.norm(to_light, axis=1, keepdims=True)
    to_light /= distance
    share = lit(vertices, triangles, light.position_mm)
    strength = (REFERENCE_MM / distance[:, 0]) ** 2 if light.falloff else np.ones(len(vertices), np.float32)
    wrap = 0.08  # light enters skin and leaves it elsewhere: shadows' borders are soft
    cosine = np.clip(((normals * to_light).sum(axis=1) + wrap) / (1 + wrap), 0, 1)
    half = to_light + to_camera
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip((normals * half).sum(axis=1), 0, 1) ** 14 * share * strength
    sky = light.ambient * (0.65 - 0.35 * normals[:, 1])  # y points down
    diffuse = (cosine * share + sky) * strength
    return diffuse.astype(np.float32), shine.astype(np.float32)


def _paint_pixels(
    rng: Rng,
    identity: Identity,
    *,
    hair_mask: Floats,
    hair_shade: Floats,
    cloths: list[Floats],
    depth: Floats,
    pictures: list[Floats],
    color_lights: tuple[Light, ...],
) -> Scene:
    """Look the reflectance up pixel by pixel and multiply it with the light."""
    skin = identity.skin
    surface, light = pictures[:2]
    u, v, code = (np.ascontiguousarray(surface[..., k]) for k in range(3))
    hair_infrared = np.float32(skin.hair_infrared) * hair_shade
    atlas = np.dstack([skin.infrared * (1 - hair_mask) + hair_mask * hair_infrared, hair_mask])
    looked_up = cv2.remap(atlas, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    eye = (code > CODE_EYE - 0.3) & (code < CODE_EYE + 0.3)
    worn = code > CODE_CLOTH - 0.3
    on_head = ~(eye | worn)
    mouth = np.where(on_head, np.clip(code, 0, 1), 0)
    dark = np.float32(rng.uniform(0.25, 0.9))
    iris_tone, white_tone = rng.uniform(0.12, 0.3), rng.uniform(0.35, 0.55)
    iris = np.clip((IRIS_RAD - u) / 0.06, 0, 1) * eye
    pupil = np.clip((PUPIL_RAD - u) / 0.05, 0, 1) * eye
    albedo = looked_up[..., 0] * (1 - mouth * (1 - dark))
    eyeball = (white_tone + (iris_tone - white_tone) * iris) * (1 - 0.7 * pupil)
    albedo = np.where(eye, eyeball, np.where(worn, u, albedo))
    hair = np.where(on_head, looked_up[..., 1], 0.0).astype(np.float32)
    # Wet and smooth: a glint a few degrees wide instead of a sheen.
    shine = np.where(eye, 0.6 * light[..., 1] ** 6, light[..., 1])
    gloss = np.where(eye, 1.0, np.where(worn, 0.0, skin.gloss * (1 - hair)))
    empty = ~np.isfinite(depth)
    radiance = (albedo * light[..., 0] + gloss * shine).astype(np.float32)
    radiance[empty] = 0.0
    color = None
    if color_lights:
        rgb_atlas = (
            skin.rgb * (1 - hair_mask[..., None]) + (hair_mask * hair_shade)[..., None] * skin.hair_rgb
        )
        rgb = cv2.remap(rgb_atlas.astype(np.float32), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        rgb = rgb * (1 - mouth * (1 - 0.7 * dark))[..., None]
        iris_rgb = np.float32([0.05, 0.03, 0.02]) + np.float32(rng.random()) ** 4 * np.float32(
            [0.1, 0.15, 0.2]
        )
        ball = 0.55 + (iris_rgb - 0.55) * iris[..., None]
        ball = ball * (1 - 0.9 * pupil[..., None])
        rgb = np.where(eye[..., None], ball, rgb)
        for number, cloth in enumerate(cloths):
            of_it = np.abs(code - (CODE_CLOTH + number)) < 0.4
            rgb = np.where(of_it[..., None], cloth, rgb)
        color = np.zeros_like(rgb)
        for lamp, picture in zip(color_lights, pictures[2:], strict=True):
            color += (rgb * picture[..., :1] + 0.25 * (gloss * picture[..., 1])[..., None]) * lamp.tint
        color = color.astype(np.float32)
        color[empty] = 0.0
    facing = np.where(empty, 0.0, light[..., 2]).astype(np.float32)
    return Scene(depth, radiance, facing, hair, color)
