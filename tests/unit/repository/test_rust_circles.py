from __future__ import annotations

from pathlib import Path

import pytest

from release import rust_circles

A = "use super::{b::{self, B as Other}, c};\n#[cfg(test)]\nmod tests {\n    use super::super::d::D;\n}\n"


def planted(folder: Path, files: dict[str, str]) -> list[list[str]]:
    for name, code in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code, "utf-8")
    return rust_circles.circles(folder)


@pytest.mark.parametrize("folder", rust_circles.FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_modules_of_the_core_or_the_binding_import_each_other(folder: Path) -> None:
    assert (folder / "lib.rs").is_file()
    assert rust_circles.circles(folder) == []


@pytest.mark.parametrize(
    "closing",
    [
        "use crate::a::A;",
        "pub use super::a::A as Renamed;\nfn f(_: Renamed) {}",
        "fn f() { crate::a::f() }",
        "use crate::Shown;",
        "use super::a::*;",
        "fn f() -> char { '\"' } use crate::{c, a::{A}}; // \"",
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, closing: str) -> None:
    files = {"lib.rs": "mod a; mod b; mod c; mod d; pub use a::A as Shown;", "a.rs": A, "b.rs": "struct B;"}
    files |= {"c/mod.rs": "pub mod inner;", "c/inner.rs": "", "d.rs": "use super::a::A;"}
    assert planted(tmp_path, files) == []
    assert planted(tmp_path, {"b.rs": f"use crate::c::inner;\n{closing}"}) == [["a.rs", "b.rs"]]


def test_a_child_of_a_parent_that_uses_it_makes_a_circle(tmp_path: Path) -> None:
    child = {"m/child.rs": "use super::Parent;"}
    assert (
        planted(tmp_path, {"lib.rs": "mod m;", "m/mod.rs": "mod child; pub use child::Child;", **child}) == []
    )
    used = {"m/mod.rs": "mod child; struct Parent(child::Child);"}
    assert planted(tmp_path, used) == [["m/child.rs", "m/mod.rs"]]


def test_what_is_no_code_is_no_import(tmp_path: Path) -> None:
    text = '/// [`super::b::B`]\npub(in crate::b) fn f() { print("use crate::b::B;") }\n/* crate::b::B */'
    files = {"lib.rs": "mod a; mod b;", "a.rs": text, "b.rs": "use crate::a::f;"}
    assert planted(tmp_path, files) == []


def test_the_program_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path, {"lib.rs": "mod a; mod b;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A;"})
    monkeypatch.setattr("sys.argv", ["rust_circles", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        rust_circles.main()
    assert ended.value.code == 1
    assert capsys.readouterr().out == "circle of 2: a.rs, b.rs\n"
