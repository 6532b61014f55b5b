"""``faceid model``: a network that others made, in the place of the picture's, pinned by the vault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.checks import checked_path
from faceid_fast.cli.help import Verb, VerbGroup
from faceid_fast.cli.output import JsonOption, busy, console, examples, plain, write_json
from faceid_fast.cli.people import VaultOption, opened, shown_credential
from faceid_fast.errors import InvalidInputError
from faceid_fast.face.chip_templates import Template
from faceid_fast.face.combined_embedder import CombinedEmbedder, PictureNetwork
from faceid_fast.face.embedder import read_model
from faceid_fast.face.picture_contract import MAX_CHARS, PICTURE_SIZES, Order, PictureContract
from faceid_fast.matching.pinned import embedder_of, pin, pinned_in, unpin
from faceid_fast.storage.references import is_of_model

if TYPE_CHECKING:
    from faceid_fast.storage.store import Authority
    from faceid_fast.vault import Vault

model_app = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    help="A face network of your own in the vault: it takes the place of the picture's.",
)

_NUMBERS: Final = "one number, or three with commas, in the order of --order"
_SHA256_SHOWN: Final = 12


def _authorized(people: Vault) -> Authority:
    """Ask for the credential and check it, if one is set: the model decides who is let in."""
    return AttemptLimiter(people).authorized(shown_credential(people))


@model_app.command(
    cls=Verb,
    epilog=examples(
        "faceid model adopt mbf.onnx --size 112 --order rgb --template arcface --mean 127.5 --scale 0.0078",
        "faceid model adopt reid_0095.onnx --size 128 --order bgr --template openvino",
    ),
)
def adopt(
    file: Annotated[Path, typer.Argument(help="ONNX file: a picture in, a vector of the face out.")],
    *,
    size: Annotated[
        int,
        typer.Option(metavar="PX", help=f"Side of its picture: {', '.join(map(str, PICTURE_SIZES))}."),
    ],
    order: Annotated[Order, typer.Option(help="Order of the colours.")],
    template: Annotated[Template, typer.Option(help="Where it expects eyes, nose and mouth; see the guide.")],
    mean: Annotated[
        str, typer.Option(metavar="M", help=f"Subtracted from the pixels (0 to 255): {_NUMBERS}.")
    ] = "0",
    scale: Annotated[str, typer.Option(metavar="S", help=f"Then multiplied with them: {_NUMBERS}.")] = "1",
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="The output, if the graph has several.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", metavar="NAME", help="Its name; by default that of the file.")
    ] = None,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Put a face network of your own in the place of the picture's, and pin it by its hash.

    The face's shape is asked as before, by this package's own network.
    Nobody is enrolled or accepted before a threshold is measured (`faceid calibrate --vault`) and adopted.
    Everybody is enrolled anew: vectors of two networks cannot be compared.
    """
    screen = console(json_to)
    path = checked_path("file", file)
    content = read_model(path)
    with busy(screen, "trying the network"):
        network = PictureNetwork.described(
            content,
            model_id=path.stem[:MAX_CHARS] if name is None else name,
            size_px=size,
            order=order,
            mean=_three("--mean", mean),
            scale=_three("--scale", scale),
            template=template,
            output_name=output,
        )
        embedder = CombinedEmbedder(network)
    with opened(vault, create=True) as people:
        authority = _authorized(people)
        people.keep_model(content)  # first: what is pinned must be there
        pinned = pin(people, embedder, authority)
        people.delete_models(keep=pinned.picture_sha256)
        others = sum(not is_of_model(each, pinned.sha256) for each in people.snapshot().values())
        stale = [each.modality for each in people.info().adopted if each.model_sha256 != pinned.sha256]
    said = f"adopted: {pinned.model_id}, SHA-256 {pinned.picture_sha256[:_SHA256_SHOWN]}..."
    screen.print(plain(f"{said}, {network.contract.output_size} values"))
    if others:
        screen.print(f"people to enrol again, with --replace: {others}")
    for modality in stale:
        screen.print(
            f"the {modality} threshold was measured with another model: faceid vault adopt replaces it"
        )
    screen.print("next: faceid calibrate DIR --target-far RATE --vault DIR, then faceid vault adopt")
    write_json(
        {**_described(network.contract), "combined_sha256": pinned.sha256, "people_to_enrol": others}, json_to
    )


@model_app.command(cls=Verb)
def show(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Show which network the vault pins, and check that its file is there, and is the one."""
    with opened(vault) as people:
        pinned = pinned_in(people)
        embedder = embedder_of(people)
    screen = console(json_to)
    if pinned is None or not isinstance(embedder, CombinedEmbedder):
        screen.print("this package's own")
        write_json({"model": None}, json_to)
        return
    found = {**_described(embedder.picture), "combined_sha256": pinned.sha256}
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for field, value in found.items():
        table.add_row(
            field, plain(", ".join(f"{each:g}" for each in value) if isinstance(value, list) else value)
        )
    screen.print(table)
    write_json({"model": found}, json_to)


@model_app.command(cls=Verb)
def forget(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Go back to this package's own network; who was enrolled with the other is enrolled anew."""
    with opened(vault) as people:
        pinned = unpin(people, _authorized(people))
        people.delete_models(keep=None)
    said = "the vault pinned none" if pinned is None else f"forgotten: {pinned.model_id}"
    console(json_to).print(plain(said))
    write_json({"forgotten": None if pinned is None else pinned.model_id}, json_to)


def _three(name: str, text: str) -> tuple[float, float, float]:
    """Read one number or three, separated by commas."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        message = f"{name}: expected {_NUMBERS}, got {text!a:.80}"
        raise InvalidInputError(message)
    first, second, third = numbers
    return first, second, third


def _described(contract: PictureContract) -> dict[str, Any]:
    """Return a contract as JSON has it."""
    return {
        "model_id": contract.model_id,
        "sha256": contract.sha256,
        "size_px": contract.size_px,
        "order": contract.order,
        "layout": contract.layout,
        "mean": list(contract.mean),
        "scale": list(contract.scale),
        "template": contract.template,
        "output": contract.output_name,
        "values": contract.output_size,
    }
