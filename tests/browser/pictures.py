"""Makes the pictures of the studio in the documentation from the tour's database: `python -m tests.browser.pictures`.

Beside the pictures lies what each page said when it was made. A test opens the pages again, and compares.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import chromium_program
from tests.browser.windows import Served, window

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "assets"
#: What the pages said.
TEXTS = PLACE / "studio-pictures.json"
LARGEST = 80 * 1024

#: The studio of the tour's database: read-only, and for changes.
Tour = dict[bool, Served]


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
        name: of the file.
        address: of the page.
        scheme: light or dark.
        width: of the window.
        height: of the window.
        write: whether rows can be changed.
    """

    name: str
    address: str
    scheme: str = "light"
    width: int = 1180
    height: int = 700
    write: bool = False


#: Delayed flights, with the carriers and airports beside them.
LATE = "/table/flight?desc=arr_delay&from.arr_delay=60&facet=carrier&facet=origin" + "".join(
    [f"&show={name}" for name in ("carrier", "origin", "dest", "arr_delay")]
)
PICTURES = [
    Picture("studio-tables", "/", height=330),
    Picture("studio-rows", LATE),
    Picture("studio-rows-dark", LATE, "dark"),
    Picture("studio-column", "/table/flight?column=distance", height=620),
    Picture("studio-row", "/table/airport/row/JFK", height=620, write=True),
    Picture("studio-edit", "/table/airport/row/JFK/edit", height=620, write=True),
    Picture("studio-diagram", "/diagram", "dark", height=600),
    Picture("studio-narrow", "/table/flight?from.dep_delay=30", width=390),
]


def taken(browser: Browser, tour: Tour) -> Iterator[tuple[Picture, bytes, str]]:
    """Open the pages, and yield each with its picture and its text."""
    for picture in PICTURES:
        served = tour[picture.write]
        size = {"width": picture.width, "height": picture.height}
        with window(browser, served.origin, viewport=size, color_scheme=picture.scheme) as look:
            look.enter()
            page = look.open(picture.address)
            page.wait_for_load_state("networkidle")
            # The cursor of an input that has the focus blinks.
            page.evaluate("document.activeElement.blur()")
            yield picture, page.screenshot(animations="disabled", caret="hide"), page.inner_text("body")


def small(png: bytes) -> bytes:
    """Return a picture as a small PNG: a page has few colours."""
    colours = (
        Image.open(io.BytesIO(png))
        .convert("RGB")
        .quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    file = io.BytesIO()
    colours.save(file, "PNG", optimize=True)
    return file.getvalue()


async def _nothing(_: object) -> None:
    """Leave the database as it is."""


@contextmanager
def served_tour(directory: Path) -> Iterator[Tour]:
    """Serve the studio of the database that the tour keeps, read-only and for changes."""
    path = directory / "tour.db"
    command = [sys.executable, "-m", "deebase", "tour", "--keep", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    with ExitStack() as stack:
        served: Tour = {}
        for write in (False, True):
            served[write] = Served(str(path), _nothing, title="tour.db", write=write)
            stack.callback(served[write].close)
        yield served


def main() -> None:
    """Make all pictures."""
    texts: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        served_tour(Path(directory)) as tour,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=["--no-sandbox"])
        for picture, png, text in taken(browser, tour):
            made = small(png)
            (PLACE / f"{picture.name}.png").write_bytes(made)
            texts[picture.name] = text
            print(f"{picture.name}: {len(made):,} bytes")
        browser.close()
    TEXTS.write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
