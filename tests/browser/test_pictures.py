"""The pictures of the documentation show what the pages show today."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("a browser and a server of all tests")]


def test_the_pictures_are_current(chromium: Browser, tmp_path: Path) -> None:
    from PIL import Image

    from tests.browser.pictures import LARGEST, PLACE, TEXTS, served_tour, small, taken

    said = json.loads(TEXTS.read_text(encoding="utf-8"))
    names: list[str] = []
    with served_tour(tmp_path) as tour:
        for picture, png, text in taken(chromium, tour):
            names.append(picture.name)
            kept = PLACE / f"{picture.name}.png"
            remedy = f"{picture.name} is not current: python -m tests.browser.pictures"
            assert text == said[picture.name], remedy
            with Image.open(kept) as before, Image.open(io.BytesIO(png)) as now:
                assert before.size == now.size, remedy
            # Fonts differ between machines, by much less than this.
            assert kept.stat().st_size <= LARGEST
            assert 0.6 < kept.stat().st_size / len(small(png)) < 1.6, remedy
    assert sorted(names) == sorted(said)
    assert sorted(path.stem for path in PLACE.glob("studio-*.png")) == sorted(names)
