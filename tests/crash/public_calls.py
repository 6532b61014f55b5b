"""Every public call of the package with arguments that are right, and what its answer must not be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import faceid_fast as faceid
from faceid_fast.calibration.evidence import read
from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.face.model_contract import served_preprocessing
from faceid_fast.matching import decision as deciding
from faceid_fast.matching.decision import Decision
from faceid_fast.outcome import Outcome
from faceid_fast.sources import (
    camera_checks,
    camera_figures,
    camera_kinds,
    datasets,
    orientation,
    presentations,
    recognized,
    recording,
    registration,
    renders,
)
from faceid_fast.sources.cameras import reopening
from faceid_fast.sources.files import images, pictures
from faceid_fast.sources.files.arrays import read_npy
from faceid_fast.sources.files.images import read_bmp, read_jpeg
from faceid_fast.sources.layouts import camera_file, kinect_v2, npz, open3d, pairs, tum, vap
from faceid_fast.sources.layouts.shot import Frames
from faceid_fast.sources.renders import Render
from faceid_fast.storage import store
from faceid_fast.storage.names import Looks, check_new_identity
from faceid_fast.storage.references import check_identity
from faceid_fast.vault import Vault, default_directory, erase, restore
from people import World
from story import KEY

CALIBRATION = Path(__file__).resolve().parents[1] / "golden" / "calibration-1.json"
ITERATED = ("__iter__", "__getitem__")
LIMITS = ("limits_id", "least", "calibration", "training_commit", "preprocessing")
NOBODY = "eve"
"""A name of nobody; whoever gets to be enrolled under it or another one is removed again."""


@dataclass(frozen=True)
class Call:
    """One public call.

    Attributes
    ----------
    name : as the documentation has it.
    function : makes what is called; objects that a call may change are made anew.
    arguments : by name, right ones.
    weight : how often it is made, among the others.
    lets_in : whether an answer to arguments lets somebody in, or matches, who must not be.
    runs : methods of arguments that the call has to run; what these raise is the caller's.
    refuses : what is raised whatever is given.
    changes : whether it may change who is enrolled, or be counted as a failure.
    """

    name: str
    function: Callable[[], Callable[..., Any]]
    arguments: dict[str, Any]
    weight: int = 4
    lets_in: Callable[[Any, dict[str, Any]], bool] = lambda answer, _: (
        isinstance(answer, Decision) and answer.accepted
    )
    runs: tuple[str, ...] = ()
    refuses: tuple[type[Exception], ...] = ()
    changes: bool = False


def is_near(distance: object, threshold: object) -> bool:
    """Reference for what is accepted, in exact arithmetic."""
    numbers = (float, int, np.floating)
    for value in (distance, threshold):
        if not isinstance(value, numbers) or isinstance(value, bool):
            return False
        if isinstance(value, (float, np.floating)) and not np.isfinite(value):
            return False
    return 0 <= Fraction(*distance.as_integer_ratio()) <= Fraction(*threshold.as_integer_ratio())  # type: ignore[attr-defined]


def public_calls(world: World) -> list[Call]:
    """List them."""
    changing = [replace(call, changes=True) for kind in (_doors, _stores, _vaults) for call in kind(world)]
    kinds = (_records, _stages, _galleries, _sources)
    return [*changing, *(call for kind in kinds for call in kind(world))]


def _doors(world: World) -> list[Call]:
    calls = []
    stranger, fake = world.frames["cleo", "probe", 0], world.frames["ada", "print", 0]
    for door, weight in (("module", 4), ("memory", 16), ("vault", 4)):
        made = world.doors[door]
        owner: Any = faceid if door == "module" else made
        prefix = "" if door == "module" else "Authenticator."
        for frame in (stranger, fake):
            calls += [
                Call(
                    f"{prefix}verify",
                    lambda o=owner: o.verify,
                    {"frames": frame, "identity": "ada"},
                    weight,
                    runs=ITERATED,
                ),
                Call(
                    f"{prefix}identify", lambda o=owner: o.identify, {"frames": frame}, weight, runs=ITERATED
                ),
            ]
        for frame in (world.frames["ada", "probe", 0], world.frames["ada", "enroll", 1]):
            arguments = {"frames": frame, "identity": "ben"}
            calls.append(
                Call(f"{prefix}verify", lambda o=owner: o.verify, arguments, weight // 2, runs=ITERATED)
            )
        arguments = {"identity": NOBODY, "frames": world.of("cleo", "probe")}
        if door != "module":
            arguments |= {"strangers": "leave_out", "new": False, "replace": False, "consent": "form 7"}
        calls.append(Call(f"{prefix}enroll", lambda o=owner: o.enroll, arguments, weight // 4, runs=ITERATED))
        calls += [
            Call(f"{prefix}remove", lambda o=owner: o.remove, {"identity": NOBODY}, weight),
            Call("Authenticator.unlock", lambda o=made: o.unlock, {"identity": "ada"}, weight),
            Call(
                "Authenticator.undo_adaptation", lambda o=made: o.undo_adaptation, {"identity": "ada"}, weight
            ),
            Call("Authenticator.adopt", lambda o=made: o.adopt, {"measured": None}, 1),
            Call("Authenticator.set_policy", lambda o=made: o.set_policy, {"policy": None}, 1),
            Call("Authenticator.forget_adopted", lambda o=made: o.forget_adopted, {"modality": "color"}, 1),
        ]
    locked = faceid.Authenticator(policy="door", adaptation="confirmed")
    locked.set_credential("1234")
    calls += [
        Call("Authenticator.unlock", lambda: locked.unlock, {"identity": "ada", "credential": "4321"}),
        Call(
            "Authenticator.set_credential", lambda: locked.set_credential, {"new": "4321", "current": "4321"}
        ),
    ]
    stages: dict[str, Any] = {
        "aligner": faceid.FaceAligner.bundled(),
        "embedder": faceid.Embedder.bundled(),
        "liveness": faceid.LivenessCheck.bundled(),
        "threshold": 0.4,
        "policy": "door",
        "adaptation": "anchored",
        "ask_credential": _typed,
        "lockout": True,
        "diagnostics": False,
        "try_turns": True,
    }
    opened = {**_vault_at(world), "create": True, **stages}
    return [
        *calls,
        Call("Authenticator", lambda: faceid.Authenticator, {"store": world.memory, **stages}),
        _path(Call("Authenticator.open", lambda: partial(_opened, faceid.Authenticator.open), opened, 1)),
    ]


def _records(world: World) -> list[Call]:
    frame, kept = world.frames["cleo", "enroll", 0], world.kept["ada"]
    decision = Decision(Outcome.NO_MATCH, None, 0.5, claimed="ada")
    whole = {
        "depth": frame.depth,
        "depth_unit_m": 0.001,
        "intrinsics": frame.intrinsics,
    }
    color = np.repeat((frame.picture >> 8).astype(np.uint8)[..., None], 3, axis=2)
    references = {name: getattr(kept, name) for name in faceid.References.__slots__}
    made = world.stranger
    embeddings = {"joined": made.joined, "shape": made.shape, "picture": made.picture}
    references["consent"] = faceid.Consent("form 7", 1e9)
    contract = faceid.Embedder.bundled().contract
    fields = {name: getattr(contract, name) for name in type(contract).__slots__}
    fields |= {"preprocessing": served_preprocessing(), "thresholds": dict(contract.thresholds)}
    fields |= {name: dict(fields[name]) for name in ("tails", "key_limits", "inputs", "outputs")}

    def checked(**changed: Any) -> None:
        made = faceid.ModelContract(**changed)
        made.check()
        made.to_json()

    measured = read(CALIBRATION)

    def shown(**changed: Any) -> None:
        made = faceid.MeasuredThreshold(**changed)
        made.to_json()
        made.summary()

    return [
        Call("Frame", lambda: faceid.Frame, {**whole, "infrared": frame.infrared}, 12),
        Call("Frame", lambda: faceid.Frame, {**whole, "color": color}, 12),
        Call("Frame.from_bgr", lambda: faceid.Frame.from_bgr, {**whole, "bgr": color}, 8),
        Call("Capture", lambda: faceid.Capture, {"source": "realsense:0123456789", "at_s": 12.5}),
        Call("Intrinsics.from_matrix", lambda: faceid.Intrinsics.from_matrix, {"matrix": np.eye(3)}, 4),
        Call("Intrinsics", lambda: faceid.Intrinsics, {"fx": 365.0, "fy": 365.0, "cx": 64.5, "cy": 69.5}),
        Call("Decision", lambda: Decision, {"outcome": Outcome.SPOOF, "identity": "ada", "threshold": 0.5}),
        Call("Decision.__bool__", lambda: partial(bool, decision), {}, 1, refuses=(TypeError,)),
        Call("accepts", lambda: deciding.accepts, {"distance": 0.9, "threshold": 0.5}, 16, _lets_in_far),
        Call("check_threshold", lambda: deciding.check_threshold, {"value": 0.5}, 8, _is_no_threshold),
        Call("check_identity", lambda: check_identity, {"identity": NOBODY}, 8),
        Call("check_new_identity", lambda: check_new_identity, {"identity": NOBODY}, 8),
        Call("Looks.add", lambda: Looks().add, {"identity": NOBODY}, 8),
        Call("References", lambda: faceid.References, references, 12),
        Call("Consent", lambda: faceid.Consent, {"note": "form 7", "at": 1e9}),
        Call("References.of", lambda: kept.of, {"modality": "infrared"}),
        Call("References.keys_of", lambda: kept.keys_of, {"modality": "infrared"}),
        Call("Keys", lambda: faceid.Keys, {"shape": kept.keys.shape, "picture": kept.keys.picture}, 4),
        Call("Keys.of", lambda: faceid.Keys.of, {"shape": made.shape, "picture": made.picture}, 4),
        Call("Keys.rows", lambda: kept.keys.rows, {"kept": [0, 1]}),
        Call("Keys.joined", lambda: kept.keys.joined, {"others": kept.keys}),
        Call("Embeddings", lambda: faceid.Embeddings, embeddings, 4),
        Call("References.rows", lambda: kept.rows, {"kept": [0, 1]}),
        Call("References.joined", lambda: kept.joined, {"others": kept}),
        Call(
            "ModelContract.from_json",
            lambda: faceid.ModelContract.from_json,
            {"text": contract.to_json()},
        ),
        Call("ModelContract", lambda: checked, fields, 8),
        Call("MeasuredThreshold", lambda: shown, dataclasses.asdict(measured), 8),
        Call("MeasuredThreshold.from_json", lambda: type(measured).from_json, {"text": measured.to_json()}),
        Call(
            "MeasuredThreshold.from_record",
            lambda: type(measured).from_record,
            {"record": dataclasses.asdict(measured)},
        ),
    ]


def _stages(world: World) -> list[Call]:
    aligner, embedder = faceid.FaceAligner.bundled(), faceid.Embedder.bundled()
    model = world.place / "model.onnx"
    model.write_bytes(read_bundled_model("faceid.onnx"))
    head = read_bundled_model(HEAD_MODEL)
    liveness, flat = faceid.LivenessCheck.bundled(), world.frames["ada", "print", 0]
    limits = read_bundled_model("liveness.json").decode()
    flat_crop = aligner.cut_out(flat, world.crop.pose)
    return [
        Call("Embedder", lambda: faceid.Embedder, {"model": model, "sha256": embedder.sha256}, 1),
        Call("Embedder.embed", lambda: embedder.embed, {"tensors": world.tensors, "chips": world.chips}, 8),
        Call("Embedder.bundled", lambda: faceid.Embedder.bundled, {}, 1),
        Call("FaceAligner", lambda: faceid.FaceAligner, {"head_model": head}, 1),
        Call("FaceAligner.align", lambda: aligner.align, {"frame": world.frames["cleo", "probe", 1]}, 8),
        Call("FaceAligner.bundled", lambda: faceid.FaceAligner.bundled, {}, 1),
        Call("FaceAligner.cut_out", lambda: aligner.cut_out, {"frame": flat, "pose": world.crop.pose}, 8),
        Call("LivenessCheck", lambda: faceid.LivenessCheck, {"limits": liveness.limits}, 1),
        Call("Limits.from_json", lambda: faceid.Limits.from_json, {"text": limits}),
        Call("Limits", lambda: faceid.Limits, {name: getattr(liveness.limits, name) for name in LIMITS}),
        Call("LivenessCheck.bundled", lambda: faceid.LivenessCheck.bundled, {}, 1),
        Call("LivenessCheck.check", lambda: liveness.check, {"crop": flat_crop}, 8, _is_live),
    ]


def _is_live(answer: Any, _: dict[str, Any]) -> bool:
    return bool(answer.live)


def _galleries(world: World) -> list[Call]:
    def anew(name: str) -> Callable[[], Callable[..., Any]]:
        return lambda: getattr(faceid.Gallery.from_bytes(world.gallery_bytes), name)

    vectors = world.kept["ada"].vectors
    queries = {"queries": world.stranger}
    names = [f"person {row}" for row in range(len(vectors))]
    arrays = {"vectors": vectors, "identities": names}
    within = {**queries, "threshold": 0.4, "threads": 1}
    held = world.gallery
    mapped = {"path": world.place / "gallery.bin"}
    return [
        Call("Gallery", lambda: faceid.Gallery, {"dim": 128, "backend": held.backend}),
        Call("Gallery.from_arrays", lambda: faceid.Gallery.from_arrays, arrays, runs=ITERATED),
        Call("Gallery.from_bytes", lambda: faceid.Gallery.from_bytes, {"data": world.gallery_bytes}),
        _path(Call("Gallery.open", lambda: faceid.Gallery.open, mapped, refuses=(OSError,))),
        Call("Gallery.add", anew("add"), {"identity": "ada", "vectors": vectors}),
        Call("Gallery.replace", anew("replace"), {"identity": "ada", "vectors": vectors}),
        Call("Gallery.remove", anew("remove"), {"identity": "ada"}),
        Call("Gallery.nearest", lambda: held.nearest, {**queries, "k": 2, "threads": 1}, 8),
        Call("Gallery.within", lambda: held.within, within, 8, _matches_far),
        Call("Gallery.best_identity", lambda: held.best_identity, within, 8, _matches_far),
        Call("Gallery.distance_to", lambda: held.distance_to, {"identity": "ada", "query": vectors[0]}),
        Call("Gallery.names_of", lambda: held.names_of, {"numbers": np.array([0, 1, -1])}),
        Call("Gallery.__contains__", lambda: lambda name: name in held, {"name": NOBODY}),
        Call("Gallery.to_bytes", lambda: held.to_bytes, {}, 1),
    ]


def _stores(world: World) -> list[Call]:
    policy = faceid.VaultPolicy()
    calls = [
        Call("InMemoryStore", lambda: faceid.InMemoryStore, {}, 1),
        Call("VaultPolicy", lambda: faceid.VaultPolicy, dataclasses.asdict(policy), 8),
        Call("VaultPolicy.changed", lambda: policy.changed, {"changes": {"turns": False}}, 4),
        Call("VaultPolicy.from_record", lambda: policy.from_record, {"record": {"turns": False}}, 4),
    ]
    called = ("__call__",)
    for made, weight in ((world.memory, 4), (world.vault, 1)):
        kind = type(made).__name__
        stranger = faceid.References(
            NOBODY,
            world.stranger.joined,
            ("frontal",),
            ("infrared",),
            world.kept["ada"].model_sha256,
            keys=faceid.Keys.of(world.stranger.shape, world.stranger.picture),
        )
        calls += [
            Call("get", lambda m=made: partial(store.get, m), {"identity": NOBODY}, weight),
            Call("put", lambda m=made: partial(store.put, m), {"references": stranger}, weight),
            Call("remove", lambda m=made: partial(store.remove, m), {"identity": NOBODY}, weight),
            Call(
                f"{kind}.alter",
                lambda m=made: m.alter,
                {"identity": NOBODY, "alter": _kept},
                weight,
                runs=called,
            ),
            Call(f"{kind}.amend", lambda m=made: m.amend, {"amend": _kept}, weight, runs=called),
            Call(f"{kind}.evidence_mac", lambda m=made: m.evidence_mac, {"content": b"17"}, weight),
            Call(f"{kind}.events", lambda m=made: m.events, {}, 1),
            Call(f"{kind}.revision", lambda m=made: m.revision, {}, 1),
            Call(f"{kind}.snapshot", lambda m=made: m.snapshot, {}, 1),
        ]
    return calls


def _vaults(world: World) -> list[Call]:
    opened = _vault_at(world)
    return [
        _path(Call("Vault.open", lambda: partial(_opened, Vault.open), {**opened, "create": True}, 1)),
        Call("Vault.put_all", lambda: world.vault.put_all, {"people": []}, 1, runs=ITERATED),
        Call("Vault.info", lambda: world.vault.info, {}, 1),
        Call("Vault.read_model", lambda: world.vault.read_model, {"sha256": "0e" * 32}),
        Call("Vault.keep_model", lambda: world.vault.keep_model, {"content": None}, 1),
        Call("Vault.delete_models", lambda: world.vault.delete_models, {"keep": "0e" * 32}, 1),
        Call("Vault.check", lambda: world.vault.check, {}, 1),
        Call("Vault.rotate_key", lambda: partial(_rotated, world), {"new": KEY}, 1),
        _path(Call("Vault.backup", lambda: world.vault.backup, {"file": world.place / "backup"}, 1)),
        _path(Call("restore", lambda: restore, {"file": world.place / "backup", **opened}, 1)),
        _path(Call("erase", lambda: erase, {"directory": world.place / "nothing", "state_file": None}, 1)),
        Call("Vault.__reduce__", lambda: world.vault.__reduce__, {}, 1, refuses=(TypeError,)),
        Call("default_directory", lambda: default_directory, {}, 1),
    ]


def _sources(world: World) -> list[Call]:
    image, depth, camera = world.files
    shots = world.place / "shots"

    how = {"picture": "infrared", "turn_deg": 180}

    def read_all(path: Any, **how: Any) -> None:
        for shot in recognized.shots_at(path, **how):
            shot.read()

    def read_listed(path: Any, **how: Any) -> None:
        for shot in recognized.listing_at(path, **how).shots:
            shot.read()

    def read_species(directory: Any, **how: Any) -> None:
        for presentation in presentations.by_species(directory, **how):
            presentation.read()

    def read_people(directory: Any, **how: Any) -> None:
        for presentation in presentations.live_people(directory, **how):
            presentation.read()

    def read_captures(directory: Any) -> None:
        for capture in kinect_v2.captures(directory):
            capture.read()

    def play_all(directory: Any, **how: Any) -> None:
        for frame in recording.playback(directory, **how):
            assert isinstance(frame, faceid.Frame)

    def read_people_of(directory: Any, layout: Any, **how: Any) -> None:
        for shot in datasets.captures(directory, layout, **how):
            shot.read()

    def render(**files: Any) -> faceid.Frame:
        return Render("ada", "enroll", 0, **files).read()

    def capture(**files: Any) -> faceid.Frame:
        return kinect_v2.Capture("ada", 0, **files).read()

    frame = {"image": image, "depth": depth, "camera": camera}
    calls = [
        Call("read_png", lambda: images.read_png, {"path": depth}, 8),
        Call("read_camera", lambda: camera_file.read_camera, {"path": camera, "matrix_unit_m": 0.001}, 8),
        Call("read_frame", lambda: pairs.read_frame, {**frame, "picture": "infrared"}, 8),
        Call("shots_at", lambda: read_all, {"path": shots / "ada", **how}),
        Call("listing_at", lambda: read_listed, {"path": shots / "ada", **how}),
        Call("read_frames", lambda: faceid.read_frames, {"path": shots / "ada", **how, "on_damage": "skip"}),
        Call("shots_at", lambda: read_all, {"path": shots / "ada" / "00_depth.png"}),
        Call("playback", lambda: play_all, {"directory": shots / "ada", **how}),
        Call("by_species", lambda: read_species, {"directory": shots, **how}),
        Call("live_people", lambda: read_people, {"directory": shots, **how}),
        Call("captures", lambda: read_captures, {"directory": shots}),
        Call("captures", lambda: read_people_of, {"directory": shots, "layout": "kinect_v2", **how}),
        Call("Frames", lambda: Frames, {"shots": [], "on_damage": "skip"}),
        Call("captures_of", lambda: kinect_v2.captures_of, {"folder": shots / "ada"}),
        Call("capture_of", lambda: kinect_v2.capture_of, {"depth": shots / "ada" / "00_depth.png"}),
        Call("Capture.read", lambda: capture, {"infrared": image, "depth": depth}),
        Call("Render.read", lambda: render, {"infrared": image, "depth": depth, "camera": camera}),
        Call("bundled_renders", lambda: renders.bundled_renders, {}, 1),
    ]
    return [*(_path(call) for call in [*calls, *_formats(world)]), *_geometry(world)]


def _formats(world: World) -> list[Call]:
    frame = world.frames["ada", "enroll", 0]
    color = np.repeat((frame.picture >> 8).astype(np.uint8)[..., None], 3, axis=2)
    place = world.place / "formats"
    place.mkdir()
    names = ("a.bmp", "a.jpg", "a.png", "a.npy", "a.npz", "a_d.dat", "depth.png")
    files = {name: place / name for name in names}
    for name in ("a.bmp", "a.jpg", "a.png"):
        cv2.imwrite(str(files[name]), color)
    cv2.imwrite(str(files["depth.png"]), frame.depth)
    np.save(files["a.npy"], frame.depth)
    camera = {"fx": 365.0, "fy": 365.0, "cx": 64.5, "cy": 69.5, "depth_unit_m": 0.001}
    np.savez(files["a.npz"], depth=frame.depth, color=color, **camera)
    files["a_d.dat"].write_bytes(b"812\t-1\t0\t1200\t7.5\t\n" * 480)
    pair: dict[str, Any] = {"color": files["a.png"], "depth": files["depth.png"], "camera": world.files[2]}
    pair["picture"] = "infrared"
    return [
        Call("read_bmp", lambda: read_bmp, {"path": files["a.bmp"]}),
        Call("read_jpeg", lambda: read_jpeg, {"path": files["a.jpg"]}),
        Call("read_npy", lambda: read_npy, {"path": files["a.npy"]}),
        Call(
            "read_npz",
            lambda: npz.read_npz,
            {"path": files["a.npz"], "camera": world.files[2], "picture": "color"},
        ),
        Call("read_picture", lambda: pictures.read_picture, {"path": files["a.png"]}),
        Call("read_dat", lambda: vap.read_dat, {"path": files["a_d.dat"]}),
        Call("read_color", lambda: vap.read_color, {"path": files["a.bmp"]}),
        Call("read_capture", lambda: vap.read_capture, {**pair, "depth": files["a_d.dat"]}),
        Call("read_pair", lambda: tum.read_pair, pair),
        Call("read_pair", lambda: open3d.read_pair, pair),
    ]


def _geometry(world: World) -> list[Call]:
    frame = world.frames["ada", "enroll", 0]
    between = {"rotation": np.eye(3), "translation_m": [0.025, 0.0, 0.0]}
    moved = {
        "depth": frame.depth,
        "depth_unit_m": 0.001,
        "shape": (128, 128),
        "depth_intrinsics": frame.intrinsics,
        "image_intrinsics": frame.intrinsics,
        "extrinsics": registration.Extrinsics(**between),
    }
    figures = camera_figures.measure([frame])

    def opened() -> recording.Playback:
        return recording.playback(world.place / "shots" / "ada")

    return [
        Call("Extrinsics", lambda: registration.Extrinsics, between),
        Call("register", lambda: registration.register, moved, 8),
        Call("rotated", lambda: orientation.rotated, {"frame": frame, "quarter_turns": 1}),
        Call("mirrored", lambda: orientation.mirrored, {"frame": frame}),
        Call(
            "measure",
            lambda: camera_figures.measure,
            {"frames": [frame, world.frames["ada", "enroll", 0]], "seconds": [0.0, 0.1]},
        ),
        Call("kind_of", lambda: camera_kinds.kind_of, {"source_name": "RealSense"}),
        Call("CameraKind.noise_at", lambda: camera_kinds.KINDS["oak"].noise_at, {"distance_m": 0.7}),
        Call("checks_of", lambda: camera_checks.checks_of, {"figures": figures, "kind": "any"}),
        Call(
            "Reopening",
            lambda: reopening.Reopening,
            {"opening": opened, "first_pause_s": 0.5},
            1,
            runs=("__call__",),
        ),
    ]


def _vault_at(world: World) -> dict[str, Any]:
    """Where the vault is that calls open, and where else it is remembered."""
    place = world.place / "opened"
    return {"directory": place, "key": KEY, "state_file": world.place / "states" / "opened"}


def _opened(opening: Callable[..., Any], /, **arguments: Any) -> None:
    """Open a vault and close it."""
    made = opening(**arguments)
    (made if isinstance(made, Vault) else made._store).close()


def _path(call: Call) -> Call:
    """A call that asks an object of another library for its path."""
    return replace(call, runs=("__fspath__",))


def _rotated(world: World, new: Any) -> None:
    """Change the key of a vault that nobody else uses."""
    with Vault.open(world.place / "rotated", key=KEY, create=True) as vault:
        vault.rotate_key(new)
        vault.rotate_key(KEY)


def _kept(before: Any) -> Any:
    return before, ()


def _typed(_: str) -> str:
    return "4321"


def _lets_in_far(answer: Any, given: dict[str, Any]) -> bool:
    return answer is not False and not is_near(given["distance"], given["threshold"])


def _is_no_threshold(answer: Any, _: dict[str, Any]) -> bool:
    return not (isinstance(answer, float) and 0.0 <= answer < 2.0)


def _matches_far(answer: Any, given: dict[str, Any]) -> bool:
    found = answer.distance[answer.index >= 0]
    threshold = given.get("threshold")
    if not len(found) or threshold is None:
        return False
    with np.errstate(over="ignore"):
        limit = float(threshold)
    # Distances are float32, rounded after they were compared.
    return not (math.isfinite(limit) and float(found.max()) <= limit + 1e-6)
