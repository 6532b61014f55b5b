"""People for renders: an identity's lasting look, and one moment of it shaded in front of a camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, Pose, draw, rotation_of
from training.camera.sensor import Scene
from training.heads.ict import (
    OUTER_EYE_CORNERS,
    PART_EYES,
    PART_FACE,
    PART_HEAD,
    PART_SOCKETS,
    ParametricHead,
    normals_of,
)
from training.people.hair import Hair, HairStyle, displace, draw_style, paint, vary_style
from training.people.portraits import Portraits
from training.people.shading import (
    CODE_CAP,
    CODE_CLOTH,
    CODE_EYE,
    CODE_FRAME,
    Light,
    in_camera_frame,
    irradiance,
    paint_pixels,
    through_lenses,
)
from training.people.skin import FacePaint, Rng, Skin, texel_grid
from training.people.wear import (
    Cap,
    Glasses,
    Mesh,
    Wear,
    cap_edge,
    cap_mesh,
    glasses_meshes,
)

Floats = NDArray[np.float32]

NECK_PIVOT_MM = np.float32([0.0, 172.0, 85.0])  # face frame: where the neck meets the shoulders


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


class Studio:
    """What all renders of people share: arrays of the head, masks on the atlas, mesh of the torso."""

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
        """Draw the look of an identity with these weights (100,).

        With probability ``portrait_share`` the skin comes from ``portraits``.
        """
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
        """Shade one person in front of ``camera``, lit by the given lamps.

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
        diffuse, gloss = irradiance(vertices, triangles, turned, to_camera, infrared_light)
        layers = [surface, np.stack([diffuse, gloss, facing], axis=1)]
        for light in color_lights:
            extra, shine = irradiance(vertices, triangles, turned, to_camera, light)
            layers.append(np.stack([extra, shine, facing], axis=1))
        depth, pictures = draw(vertices, triangles, tuple(layers), camera)
        scene = paint_pixels(
            rng,
            identity.skin,
            hair_mask=hair.mask,
            hair_shade=hair.shade,
            cloths=colors,
            depth=depth,
            pictures=pictures,
            color_lights=color_lights,
        )
        if wear.glasses is not None and lenses is not None:
            lights = (infrared_light, *color_lights)
            scene = through_lenses(scene, wear.glasses, lenses, pose, camera, lights)
        return scene, midpoint


def _worn(mesh: Mesh, pose: Pose, albedo: float, code: float) -> tuple[Floats, NDArray[np.int32], Floats]:
    """A worn thing in the camera frame: vertices, triangles, attributes."""
    attributes = np.zeros((len(mesh.vertices), 3), np.float32)
    attributes[:, 0], attributes[:, 2] = albedo, code
    return in_camera_frame(mesh.vertices, pose), mesh.triangles, attributes


def _pressed(hair: Hair, cap: Cap) -> Hair:
    """Hair under a cap lies flat."""
    angle, y = texel_grid()
    under = np.clip((cap_edge(cap, angle) + 10.0 - y) / 10.0, 0, 1).astype(np.float32)
    flat = hair.thickness_mm * (1 - under) + under * np.minimum(hair.thickness_mm, 2.0)
    return replace(hair, thickness_mm=flat.astype(np.float32))
