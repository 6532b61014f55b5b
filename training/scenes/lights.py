"""The lamps of a scene: the camera's infrared illuminator and the light of the room."""

from __future__ import annotations

import numpy as np

from training.people.shading import Light
from training.people.skin import Rng


def infrared_light(rng: Rng, reach_mm: float = 80.0) -> Light:
    """Draw an infrared illuminator within ``reach_mm`` beside the camera."""
    angle, reach = rng.uniform(0, 2 * np.pi), reach_mm * np.sqrt(rng.random())
    position = np.float32([reach * np.cos(angle), 0.6 * reach * np.sin(angle), rng.uniform(-10, 10)])
    return Light(position, float(rng.uniform(0.0, 0.05)), falloff=True, tint=np.ones(3, np.float32))


def room_lights(rng: Rng) -> tuple[Light, ...]:
    """Draw the light of a room: from a random direction, warm or cool."""
    direction = np.float32([rng.normal(0, 1.2), rng.normal(-0.7, 0.6), rng.uniform(-1.2, 0.2)])
    direction /= np.linalg.norm(direction)
    warmth = rng.normal(0, 0.1)
    tint = np.float32([1 + warmth, 1.0, 1 - warmth])
    # Three metres from a head about one metre away.
    position = np.float32([0, 0, 900]) + 3000 * direction
    return (Light(position, float(rng.uniform(0.25, 1.2)), falloff=False, tint=tint),)
