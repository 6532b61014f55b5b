"""A network that nobody here made in the picture's place, on real people, who did not train it.

Open Model Zoo's face-reidentification-retail-0095 (Apache 2.0). That of dlib is tried beside its reader, in
tests/training/teachers. The people trained the shape's network that ships, and its limit: what is said here
of the picture's is fair, and of both keys together it is not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import faceid
from faceid_fast.authenticator import Authenticator
from faceid_fast.face.chip_templates import Template
from faceid_fast.face.combined_embedder import CombinedEmbedder, PictureNetwork
from faceid_fast.face.picture_contract import Order
from faceid_fast.sources.datasets import captures
from faceid_fast.vault import Vault
from foreign_networks import REID_0095, figures, reid_0095_onnx, tiny_network

pytestmark = pytest.mark.slow
PEOPLE, PROBES = 6, 5


@pytest.fixture(scope="module")
def reid_0095() -> bytes:
    if not REID_0095.exists():
        pytest.skip(f"no foreign network: {REID_0095} is missing")
    return reid_0095_onnx(REID_0095)


def combined(content: bytes, size_px: int, template: Template) -> CombinedEmbedder:
    network = PictureNetwork.described(
        content,
        model_id="foreign",
        size_px=size_px,
        order=Order.BGR,
        mean=(0.0, 0.0, 0.0),
        scale=(1.0, 1.0, 1.0),
        template=template,
    )
    return CombinedEmbedder(network)


def test_it_tells_people_apart(reid_0095: bytes, kinect_v2: Path) -> None:
    embedders = {
        "0095": combined(reid_0095, 128, Template.OPENVINO),
        "random": combined(tiny_network(), 112, Template.ARCFACE),
    }
    found = figures(kinect_v2, embedders)
    assert found["0095"].eer is not None
    assert found["0095"].eer <= 0.01
    assert found["random"].eer is not None
    # One sitting each: light and clothes tell something to any network, but not as much.
    assert found["random"].eer > 0.05


def test_the_whole_way(
    reid_0095: bytes, kinect_v2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("5e" * 32)
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(tmp_path / "key"))
    network, vault, out = tmp_path / "0095.onnx", tmp_path / "vault", tmp_path / "calibration.json"
    network.write_bytes(reid_0095)
    at = ("--vault", vault)
    for verb in (
        ("model", "adopt", network, "--size", 128, "--order", "bgr", "--template", "openvino"),
        # Six people show no more.
        ("calibrate", kinect_v2, "--target-far", "0.2", "--out", out),
        ("vault", "adopt", out),
        ("vault", "policy", "lockout=false"),
    ):
        done = faceid(*verb, *at)
        assert done.exit_code == 0, done.output
    shots = list(captures(kinect_v2))
    with Vault.open(vault) as opened:
        auth = Authenticator(store=opened, lockout=False)
        names = sorted({shot.person for shot in shots})
        for name in names:
            enrolled = auth.enroll(name, [s.read() for s in shots if (s.person, s.expression) == (name, 2)])
            assert enrolled.references >= 8
        accepted = np.zeros((2, len(names)), int)
        for at_name, name in enumerate(names):
            # Whoever comes next claims to be this person.
            for row, person in enumerate((name, names[(at_name + 1) % len(names)])):
                probes = [s for s in shots if s.person == person and s.expression != 2][::9]
                accepted[row, at_name] = sum(auth.verify(s.read(), name).accepted for s in probes)
        threshold = auth.thresholds["infrared"]
    asked = PEOPLE * PROBES
    print(f"threshold {threshold:.3f}: accepted {accepted[0].sum()} and {accepted[1].sum()} of {asked} each")
    assert len(names) == PEOPLE
    assert accepted[0].sum() >= 0.8 * PEOPLE * PROBES
    assert accepted[1].sum() == 0
