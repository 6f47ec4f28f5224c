"""The API's description makes a client in TypeScript that compiles under its strictest rules, and works.

It needs Node, and the packages `openapi-typescript`, `openapi-fetch` and `typescript` where `npm root -g` or NODE_PATH
says (`npm install -g openapi-typescript@7 openapi-fetch@0.17 typescript@5`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from fake_model import FakeModel
from serving import API, Running, serving
from transhash import Library

TOKEN = "a secret of the tests"
PACKAGES = ("openapi-typescript", "openapi-fetch", "typescript")
CLIENT = Path(__file__).with_name("client.ts")


def modules() -> Path:
    """The folder that has the packages; skips the test where there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        pytest.skip("a client in TypeScript needs Node")
    folders = [Path(each) for each in os.environ.get("NODE_PATH", "").split(os.pathsep) if each]
    if npm is not None:
        told = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True)
        folders.append(Path(told.stdout.strip()))
    for folder in folders:
        if all((folder / package).is_dir() for package in PACKAGES):
            return folder
    pytest.skip(f"a client in TypeScript needs {', '.join(PACKAGES)} (npm install -g)")


def node(folder: Path, program: Path, *arguments: str) -> str:
    """What a program prints, run in a folder."""
    command = ["node", str(program), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_description_makes_a_client_in_typescript(
    library: Library, model: FakeModel, photos: Path, tmp_path: Path
) -> None:
    found, folder = modules(), tmp_path / "client"
    folder.mkdir()
    (folder / "node_modules").symlink_to(found)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "client.ts").write_bytes(CLIENT.read_bytes())
    with serving(library.path, model, token=TOKEN) as server:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        (folder / "openapi.json").write_text(server.get("/openapi.json", headers=bearer).text)
        generate = found / "openapi-typescript" / "bin" / "cli.js"
        node(folder, generate, "openapi.json", "-o", "transhash.d.ts", "--default-non-nullable", "false")
        options = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"]
        compiler = found / "typescript" / "bin" / "tsc"
        node(folder, compiler, *options, "--module", "esnext", "--moduleResolution", "bundler", "client.ts")
        handler = partial(SimpleHTTPRequestHandler, directory=str(photos))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
            Thread(target=files.serve_forever, daemon=True).start()
            picture = f"http://127.0.0.1:{files.server_port}/cat/cat-07.png"
            answer = json.loads(node(folder, folder / "client.js", server.url, TOKEN, picture))
            files.shutdown()

    assert answer == {
        "path": "cat/cat-07.png",
        "distance": 0,
        "identical": True,
        "similar": 1,
        "hits": [40],
        "pictures": [True] * 5,
        "name": "photos",
        "most": 1000,
        "wrong": {"code": "filter", "position": 9},
    }


def test_functions_of_a_client_have_names_of_their_own(server: Running) -> None:
    described = server.get("/openapi.json").json()
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]

    assert len(set(names)) == len(names)
    assert {"search", "search_by_id", "similar", "pictures", "add", "remove", "duplicates"} <= set(names)
    assert described["security"] == [{"token": []}, {}]  # a server that has no token asks for none
    assert described["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert all(path.startswith(API) for path in described["paths"])
