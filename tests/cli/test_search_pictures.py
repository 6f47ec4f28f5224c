"""Where the pictures to search for come from, and where their hits are shown."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, ImageGrab

from transhash.cli import terminal


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch):
    """Puts bytes into standard input."""

    def feed(data: bytes, terminal: bool = False) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: terminal))

    return feed


def test_a_picture_from_standard_input(run, indexed: Path, feed) -> None:
    feed((indexed / "cat" / "cat-1.png").read_bytes())
    assert run("search", "-", "-k", 1, "-l", "photos").out == "   0  photos/cat/cat-1.png  (the same picture)\n"

    feed((indexed / "cat" / "cat-1.png").read_bytes())
    line = json.loads(run("search", "-", "-k", 1, "-l", "photos", "--json").out)
    assert (line["query"], line["hits"][0]["path"]) == ("-", str(indexed / "cat" / "cat-1.png"))


def test_standard_input_and_files(run, indexed: Path, feed) -> None:
    feed((indexed / "cat" / "cat-1.png").read_bytes())
    assert run("search", "photos/dog/dog-0.png", "-", "-k", 1, "-l", "photos").out.splitlines() == [
        "photos/dog/dog-0.png:",
        "   0  photos/dog/dog-0.png  (the same picture)",
        "standard input:",
        "   0  photos/cat/cat-1.png  (the same picture)",
    ]


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "empty file"), (b"text, and so not a picture" * 9, "not a picture")]
)
def test_standard_input_without_a_picture(run, indexed: Path, feed, data: bytes, reason: str) -> None:
    feed(data)
    result = run("search", "-", "-l", "photos")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"standard input: {reason}; ")


def test_the_keyboard_is_no_picture(run, indexed: Path, feed) -> None:
    feed(b"", terminal=True)
    result = run("search", "-", "-l", "photos")
    assert (result.code, result.out) == (2, "")
    assert "keyboard" in result.err


def test_a_picture_in_the_clipboard(run, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.open(indexed / "dog" / "dog-1.png").convert("RGBA")
    monkeypatch.setattr(ImageGrab, "grabclipboard", lambda: image)
    assert run("search", "--clipboard", "-k", 1, "-l", "photos").out == "   0  photos/dog/dog-1.png\n"


def test_files_in_the_clipboard(run, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageGrab, "grabclipboard", lambda: [str(indexed / "dog" / "dog-1.png")])
    assert run("search", "--clipboard", "-k", 1).out == "   0  photos/dog/dog-1.png  (the same picture)\n"


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        (None, "the clipboard holds no picture"),
        ([], "the clipboard holds no picture"),
        (NotImplementedError("xclip is required"), "install wl-clipboard"),
        (OSError("no display\nand more"), "cannot be read (no display)"),
    ],
)
def test_a_clipboard_without_a_picture(
    run, indexed: Path, monkeypatch: pytest.MonkeyPatch, held: object, sentence: str
) -> None:
    def grab() -> object:
        if isinstance(held, Exception):
            raise held
        return held

    monkeypatch.setattr(ImageGrab, "grabclipboard", grab)
    result = run("search", "--clipboard", "-l", "photos")
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(("name", "kind"), [("sheet.jpg", "JPEG"), ("sheet.png", "PNG"), ("sheet.WEBP", "WEBP")])
def test_a_sheet_is_drawn_beside_the_hits(run, indexed: Path, tmp_path: Path, name: str, kind: str) -> None:
    arguments = ("search", "photos/cat/cat-0.png", "photos/dog/dog-0.png", "-k", 3, "-l", "photos")
    plain = run(*arguments)
    result = run(*arguments, "--sheet", name)

    assert (result.code, result.out, result.err) == (0, plain.out, "")
    with Image.open(tmp_path / name) as drawn:
        assert drawn.format == kind
        assert drawn.width > 4 * 160
        assert drawn.height > 2 * 160
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]


def test_a_sheet_that_cannot_be_drawn(run, indexed: Path) -> None:
    for name, sentence in (("sheet.txt", "ends in .jpg, .png or .webp"), ("nowhere/sheet.jpg", "cannot be written")):
        result = run("search", "photos/cat/cat-0.png", "-l", "photos", "--sheet", name)
        assert result.code == 2
        assert sentence in result.err
        assert "Traceback" not in result.err


def test_a_picture_that_cannot_be_used_is_not_on_the_sheet(run, indexed: Path, tmp_path: Path) -> None:
    result = run("search", "nowhere.png", "photos/dog/dog-0.png", "-k", 1, "-l", "photos", "--sheet", "sheet.png")
    assert result.code == 1
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.height < 2 * 160
    assert run("search", "nowhere.png", "-l", "photos", "--sheet", "none.png").code == 2
    assert not (tmp_path / "none.png").exists()


def test_show_in_a_pipe_says_what_to_do_instead(run, indexed: Path) -> None:
    result = run("search", "photos/cat/cat-0.png", "-k", 1, "-l", "photos", "--show")
    assert (result.code, result.out) == (0, "   0  photos/cat/cat-0.png  (the same picture)\n")
    assert "--sheet FILE" in result.err


def test_show_and_json_are_refused(run, indexed: Path) -> None:
    result = run("search", "photos/cat/cat-0.png", "-l", "photos", "--show", "--json")
    assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "dumb", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
        ({}, None),
    ],
)
def test_terminals_that_show_pictures_are_known(environment: dict[str, str], language: str | None) -> None:
    assert terminal.protocol(environment) == language


def test_kitty_gets_the_file_in_chunks() -> None:
    png = bytes(range(256)) * 40
    parts = list(terminal.escapes(png, "kitty"))
    heads, bodies = zip(*(part.removeprefix("\x1b_G").removesuffix("\x1b\\").split(";") for part in parts), strict=True)

    assert base64.b64decode("".join(bodies)) == png
    assert heads[0] == "a=T,f=100,q=2,m=1"
    assert set(heads[1:-1]) == {"m=1"}
    assert heads[-1] == "m=0"
    assert max(map(len, bodies)) <= 4096


def test_iterm_gets_the_file_at_once() -> None:
    (part,) = terminal.escapes(b"picture", "iterm")
    assert part == f"\x1b]1337;File=inline=1;size=7:{base64.b64encode(b'picture').decode()}\x07"


def test_show_writes_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    written.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setenv("TERM_PROGRAM", "iTerm.app")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("TMUX", "KITTY_WINDOW_ID"):
        monkeypatch.delenv(name, raising=False)
    terminal.show(Image.new("RGB", (4, 3), "red"))
    text = written.getvalue().partition(":")[2].partition("\x07")[0]
    assert Image.open(io.BytesIO(base64.b64decode(text))).size == (4, 3)


def test_copies_are_given_once_with_their_count(run, indexed: Path) -> None:
    (indexed / "again.png").write_bytes((indexed / "cat" / "cat-1.png").read_bytes())
    run("index", "photos")

    lines = run("search", indexed / "cat" / "cat-1.png", "-k", 7, "-l", "photos", "--collapse").out.splitlines()

    assert len(lines) == 6
    assert lines[0].endswith("  (the same picture)  (and 1 copy)")
    (hits,) = map(
        json.loads, run("search", "photos/again.png", "-l", "photos", "--collapse", "--json").out.splitlines()
    )
    assert [len(hit.get("copies", [])) for hit in hits["hits"]] == [1, 0, 0, 0, 0, 0]
