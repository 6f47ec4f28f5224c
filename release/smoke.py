"""Install a wheel into a bare environment, and use it once: index, search, codes, duplicates, serve.

    python -m release.smoke dist/transhash-0.1.0-py3-none-any.whl [--python python3.13] [--lowest]

With --lowest all that it needs is there in the lowest version that pyproject.toml allows. The environment has no
compiler's headers, no repository and no PyTorch; the home and the package cannot be written to, as in a container with
a read-only root, and `NUMBA_CACHE_DIR` is not set. Prints what it did; an error ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "examples" / "pictures"
SUPPORT = ROOT / "tests" / "support"


def main() -> None:
    """Install and use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environment")
    parser.add_argument("--lowest", action="store_true", help="the lowest versions of what it needs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="transhash-smoke-") as folder:
        home = Path(folder)
        pins = ROOT / "constraints.txt"
        if arguments.lowest:
            pins = home / "lowest.txt"
            pins.write_text("\n".join(lowest(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"])))
        program = install(arguments.wheel.resolve(), arguments.python, home / "environment", pins)
        use(program, home)


def lowest(project: dict[str, Any]) -> list[str]:
    """The lowest version of each thing that a project needs, or that its server does."""
    needed = project["dependencies"] + project["optional-dependencies"]["server"]
    return [each.partition(";")[0].replace(">=", "==").strip() for each in needed]


def install(wheel: Path, python: str, folder: Path, pins: Path) -> Path:
    """Make an environment with the wheel and its server, in the versions of `pins`; returns the program."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "-c", str(pins), f"{wheel}[server]"], check=True)
    return folder / "bin" / "transhash"


def use(program: Path, home: Path) -> None:
    """Index, search, look for duplicates and serve; raises `SystemExit` for what is not as it should be."""
    photos = home / "photos"
    shutil.copytree(PICTURES / "cat", photos)
    first = sorted(photos.iterdir())[0]
    smaller = f"from PIL import Image; Image.open({str(first)!r}).resize((320, 240)).save({str(photos / 'copy.jpg')!r})"
    subprocess.run([program.parent / "python", "-c", smaller], check=True)
    # a home that cannot be written, not even by root
    environment = {"PATH": os.defpath, "HOME": "/dev/null", "XDG_STATE_HOME": "/dev/null", "LANG": "C.UTF-8"}

    def run(*words: object) -> str:
        command = [str(program), *map(str, words)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home, check=False)
        if ran.returncode:
            sys.exit(f"{' '.join(command)} ended with {ran.returncode}: {ran.stderr}")
        return ran.stdout

    print(run("--version").strip())
    print(run("index", photos).strip())
    hits = [json.loads(line) for line in run("search", first, "--library", photos, "-k", 2, "--json").splitlines()]
    if "copy.jpg" not in json.dumps(hits):
        sys.exit(f"the copy was not found: {hits}")
    if "copy.jpg" not in run("duplicates", photos):
        sys.exit("the copy is no duplicate")
    print("search and duplicates find the copy")
    now = subprocess.run(
        [program.parent / "python", "-c", "import json, same_codes; print(json.dumps(same_codes.steps()))"],
        env=environment | {"PYTHONPATH": str(SUPPORT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    if json.loads(now.stdout) != json.loads((SUPPORT / "same_codes.json").read_text("utf-8")):
        sys.exit("the codes of the example pictures are not those that are stored")
    print("codes are those that are stored")
    serve(program, photos, environment)


def serve(program: Path, photos: Path, environment: dict[str, str]) -> None:
    """Start a server on a free port, ask it for its health and for a page, and end it."""
    command = [str(program), "serve", "--library", str(photos), "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout is not None
            said = ""
            for line in server.stdout:
                said += line
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    break
            else:
                sys.exit(f"the server ended: {said}")
            for path in ("/api/v1/health", "/"):
                with urllib.request.urlopen(f"{found[0]}{path}", timeout=60) as answer:
                    print(f"serve: {path} {answer.status}")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
