"""Light on people: irradiance at vertices, reflectance at pixels, spectacle lenses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, Pose, lit
from training.camera.sensor import REFERENCE_MM, Scene
from training.people.skin import Rng, Skin
from training.people.wear import Glasses, Mesh, lens_normals, lens_pictures

Floats = NDArray[np.float32]

# Codes in the third channel of the first attribute: 0..1 skin to inner mouth, then:
CODE_EYE, CODE_CLOTH, CODE_FRAME, CODE_CAP = 2.0, 3.0, 4.0, 5.0
IRIS_RAD, PUPIL_RAD = 0.40, 0.15  # as seen from the eye's centre


@dataclass(frozen=True, eq=False)
class Light:
    """A point light with its own ambient share; position in the camera frame, millimetres."""

    position_mm: Floats
    ambient: float
    falloff: bool
    tint: Floats


def in_camera_frame(points: Floats, pose: Pose) -> Floats:
    """Move points (N, 3) from the face frame into the camera frame."""
    moved: Floats = (points @ pose.rotation.T + pose.translation).astype(np.float32)
    return moved


def through_lenses(
    scene: Scene, glasses: Glasses, lenses: Mesh, pose: Pose, camera: Camera, lights: tuple[Light, ...]
) -> Scene:
    """Dim what lies behind the lenses, and add the lamps' reflections; the first lamp is infrared's."""
    turned = (lens_normals(lenses) @ pose.rotation.T).astype(np.float32)
    placed = replace(lenses, vertices=in_camera_frame(lenses.vertices, pose))
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


def irradiance(
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


def paint_pixels(
    rng: Rng,
    skin: Skin,
    *,
    hair_mask: Floats,
    hair_shade: Floats,
    cloths: list[Floats],
    depth: Floats,
    pictures: list[Floats],
    color_lights: tuple[Light, ...],
) -> Scene:
    """Shade a rasterised person: look up the reflectance of each pixel and multiply it by the light."""
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
