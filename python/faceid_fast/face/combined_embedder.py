"""The bundled model with a network that others made in the place of the picture's."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_instance
from faceid_fast.errors import ModelContractError, ModelError

from .chip_templates import ChipWarp, Template
from .crop import CHIP_SHAPE, Floats
from .embedder import Embedder, open_session, run, unit_rows
from .embedding import Embeddings
from .picture_contract import Layout, Order, PictureContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .embedder import Session
    from .model_contract import ModelContract

_BATCH: Final = 16  # bounds the memory of a call: such networks are larger than ours
_NO_LIMIT: Final = 2.0
"""The largest distance there is: the picture's key is the joined vector, which has a threshold of its own."""
_DOMAIN: Final = b"faceid_fast.combined_embedder.1\0"


class PictureNetwork:
    """A network that others made: turns chips into unit vectors, as its contract says.

    Parameters
    ----------
    content : of its ONNX file.
    contract : what it expects and gives.

    Raises
    ------
    ModelError
        If these are not the bytes that the contract names, onnxruntime cannot load them, weights lie in
        another file, or what the network gives for a picture is not as the contract says.
    ModelContractError
        If the graph's input or outputs are not as the contract says.
    """

    def __init__(self, content: bytes, contract: PictureContract) -> None:
        self.contract = checked_instance("contract", contract, PictureContract)
        found = hashlib.sha256(content).hexdigest()
        if found != contract.sha256:
            message = f"{contract.model_id}: expected SHA-256 {contract.sha256}, got {found}"
            raise ModelError(message)
        self._session = open_session(content, contract.model_id)
        seen = _Graph.of(self._session, contract.model_id, contract.size_px)
        for name, given in (("input_name", seen.input_name), ("layout", seen.layout)):
            if (wanted := getattr(contract, name)) != given:
                message = f"{contract.model_id}: {name}: expected {wanted}, got {given}"
                raise ModelContractError(message)
        seen.check_output(contract.output_name)
        self._one_by_one = seen.one_by_one
        self._warp = ChipWarp(contract.template, contract.size_px)
        self._mean, self._scale = (
            np.asarray(each, np.float32)[:, None, None] for each in (contract.mean, contract.scale)
        )
        self._try()

    @classmethod
    def described(
        cls,
        content: bytes,
        *,
        model_id: str,
        size_px: int,
        order: Order,
        mean: tuple[float, float, float],
        scale: tuple[float, float, float],
        template: Template,
        output_name: str | None = None,
    ) -> Self:
        """Load a network, and read the rest of its contract from the graph.

        Parameters
        ----------
        content : of its ONNX file.
        model_id, size_px, order, mean, scale, template : as in `PictureContract`.
        output_name : None: the only one.

        Raises
        ------
        InvalidInputError
            If a value is not usable, or the graph has several outputs and `output_name` is None.
        ModelError, ModelContractError
            As the constructor.
        """
        # Checked before the file is loaded, with stand-ins for what the graph will say.
        asked = PictureContract(
            model_id=model_id,
            sha256=hashlib.sha256(content).hexdigest(),
            size_px=size_px,
            order=order,
            layout=Layout.NCHW,
            mean=mean,
            scale=scale,
            template=template,
            input_name="input",
            output_name="output" if output_name is None else output_name,
            output_size=4,
        )
        session = open_session(content, model_id)
        seen = _Graph.of(session, model_id, size_px)
        if output_name is None:
            output_name = seen.only_output()
        seen.check_output(output_name)
        known = replace(asked, layout=seen.layout, input_name=seen.input_name, output_name=output_name)
        blank = np.full((1, *CHIP_SHAPE), 128, np.uint8)
        picture = _arranged(ChipWarp(known.template, size_px)(blank), known.layout)
        (raw,) = run(session, model_id, [output_name], {seen.input_name: picture})
        size = int(np.asarray(raw).size)
        if size % 4 or not size:
            message = f"{model_id}: expected vectors of a multiple of 4 values, got {size}"
            raise ModelContractError(message)
        return cls(content, replace(known, output_size=size))

    def embed(self, chips: NDArray[np.uint8]) -> Floats:
        """Turn (N, 3, 150, 150) chips into (N, P) float32 unit vectors.

        Raises
        ------
        ModelError
            If the network fails, or gives vectors of another size, or without a direction.
        """
        contract = self.contract
        made = np.empty((len(chips), contract.output_size), np.float32)
        step = 1 if self._one_by_one else _BATCH
        for start in range(0, len(chips), step):
            batch = slice(start, start + step)
            made[batch] = self._run(chips[batch])
        return made

    def _run(self, chips: NDArray[np.uint8]) -> Floats:
        contract = self.contract
        pictures = self._warp(chips)
        if contract.order is Order.BGR:
            pictures = pictures[:, ::-1]
        pictures = _arranged((pictures - self._mean) * self._scale, contract.layout)
        (raw,) = run(
            self._session, contract.model_id, [contract.output_name], {contract.input_name: pictures}
        )
        vectors = np.asarray(raw)
        # Some keep the two dimensions that their last pooling left: (N, P, 1, 1).
        if vectors.ndim > 2 and set(vectors.shape[2:]) == {1}:
            vectors = vectors.reshape(vectors.shape[:2])
        return unit_rows(contract.model_id, "picture", vectors, (len(chips), contract.output_size))

    def _try(self) -> None:
        """Run the network on noise twice: what does not work is refused at load, and what is random, too."""
        chips = np.random.default_rng(1).integers(0, 256, (2, *CHIP_SHAPE), dtype=np.uint8)
        first, again = self.embed(chips), self.embed(chips)
        if not np.array_equal(first, again):
            message = f"{self.contract.model_id}: expected the same vector for the same picture, got others"
            raise ModelError(message)


class CombinedEmbedder(Embedder):
    """The bundled model's shape, and a network that others made for the picture: one thread.

    The joined vector is the picture's. Ours joins a part of the shape's to it, at a weight that was chosen
    for our picture's distances; those of another network may be a third of these, and the same weight would
    drown them. Depth is asked in addition, always: the shape's key and its limit are the bundled model's.
    There is no threshold until one is measured (``faceid calibrate``).

    Parameters
    ----------
    network : the picture's.
    bundled : makes the shape's vectors; None: the bundled embedder.
    """

    def __init__(self, network: PictureNetwork, bundled: Embedder | None = None) -> None:
        self._network = checked_instance("network", network, PictureNetwork)
        self._bundled = Embedder.bundled() if bundled is None else bundled
        self._sha256 = combined_sha256(self._bundled.sha256, network.contract)
        self._contract = _combined(self._bundled.contract, network.contract)

    @property
    def picture(self) -> PictureContract:
        """The contract of the picture's network."""
        return self._network.contract

    def embed(self, tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> Embeddings:
        """Embed aligned faces; see `Embedder.embed`."""
        ours = self._bundled.embed(tensors, chips)
        theirs = self._network.embed(chips)
        return Embeddings(theirs, ours.shape, theirs)


def combined_sha256(bundled_sha256: str, contract: PictureContract) -> str:
    """Return what stands for both models and the contract, as SHA-256 (hex): other vectors, another value."""
    parts = (bundled_sha256, contract.sha256, contract.to_json())
    return hashlib.sha256(_DOMAIN + "\0".join(parts).encode()).hexdigest()


def _combined(bundled: ModelContract, picture: PictureContract) -> ModelContract:
    """Return the contract of both: no thresholds and no tails, for nobody has measured any."""
    limits = {
        modality: MappingProxyType({"shape": each["shape"], "picture": _NO_LIMIT})
        for modality, each in bundled.key_limits.items()
    }
    sizes = {
        "embedding": picture.output_size,
        "shape": bundled.outputs["shape"],
        "picture": picture.output_size,
    }
    made = replace(
        bundled,
        model_id=f"{bundled.model_id} + {picture.model_id}",
        outputs=MappingProxyType(sizes),
        thresholds=MappingProxyType({}),
        key_limits=MappingProxyType(limits),
        tails=MappingProxyType(dict.fromkeys(limits, ())),
        calibration=MappingProxyType({}),
        teachers=(),
    )
    made.check()
    return made


class _Graph:
    """What a graph says of its input and outputs."""

    def __init__(self, name: str, input_name: str, shape: Sequence[object], outputs: Sequence[str]) -> None:
        self.name, self.input_name, self.outputs = name, input_name, outputs
        self.one_by_one = shape[0] == 1
        self.layout = Layout.NCHW if shape[1] == CHIP_SHAPE[0] else Layout.NHWC

    @classmethod
    def of(cls, session: Session, name: str, size_px: int) -> _Graph:
        """Read a session; ModelContractError if it takes no picture of this size."""
        inputs = session.get_inputs()
        if len(inputs) != 1:
            message = f"{name}: graph: expected one input, got {len(inputs)}"
            raise ModelContractError(message)
        (node,) = inputs
        shape = list(node.shape)
        square = [shape[2:4], shape[1:3]] if len(shape) == 4 else []
        fits = [
            axis
            for axis, sides in zip((1, 3), square, strict=False)
            if shape[axis] == CHIP_SHAPE[0]
            and all(side == size_px or not isinstance(side, int) for side in sides)
        ]
        faces = shape[0] if shape else None
        if node.type != "tensor(float)" or len(fits) != 1 or (isinstance(faces, int) and faces != 1):
            message = (
                f"{name}: graph input {node.name!a:.80}: expected tensor(float) (N, 3, {size_px}, {size_px}) "
                f"or (N, {size_px}, {size_px}, 3), N any or 1, got {node.type} {tuple(shape)!s:.80}"
            )
            raise ModelContractError(message)
        return cls(name, node.name, shape, [node.name for node in session.get_outputs()])

    def only_output(self) -> str:
        """Return the name of the output, if there is one only."""
        if len(self.outputs) != 1:
            message = f"{self.name}: output_name: expected one of {', '.join(self.outputs):.200}, got none"
            raise ModelContractError(message)
        return self.outputs[0]

    def check_output(self, wanted: str) -> None:
        """Refuse an output that the graph does not have."""
        if wanted not in self.outputs:
            known = f"{', '.join(self.outputs):.200}"
            message = f"{self.name}: output_name: expected one of {known}, got {wanted!a:.80}"
            raise ModelContractError(message)


def _arranged(pictures: Floats, layout: Layout) -> Floats:
    """Bring (N, 3, H, W) into the order of a layout."""
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1) if layout is Layout.NHWC else pictures)
