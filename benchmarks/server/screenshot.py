"""The picture of the page in docs/serve.md: the examples, searched with one of them, in Chromium.

python -m benchmarks.server.screenshot [docs/serve.png] [--query NAME]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import transhash
from benchmarks.server.serve import serving

EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("docs/serve.png"))
    parser.add_argument("--query", default="*cat*", help="The first of the examples whose path is like this.")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="transhash-screenshot-") as folder:
        photos = Path(folder) / "pictures"
        shutil.copytree(EXAMPLES, photos)
        with transhash.Library.create(photos / ".transhash", transhash.load()) as library:
            library.index(photos)
            query = library.passing(f"path like '{arguments.query}'")[0]
        with serving(photos) as (port, _, _), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1200, "height": 760}, reduced_motion="reduce")
            page.set_default_timeout(120_000)  # a busy machine
            page.goto(f"http://127.0.0.1:{port}/#like={query}")
            page.wait_for_selector("html[data-ready]", state="attached")
            page.wait_for_function(
                "() => [...document.querySelectorAll('#grid img')].length > 10"
                " && [...document.querySelectorAll('#grid img')].every(each => each.classList.contains('there'))"
            )
            page.wait_for_function("() => !document.body.classList.contains('turning')")
            page.screenshot(path=str(arguments.file))
            browser.close()


if __name__ == "__main__":
    main()
