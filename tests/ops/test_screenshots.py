"""Which pictures are taken, and that those in the repository are small ones that somebody sees."""

from __future__ import annotations

from ops.places import ROOT
from ops.screenshots import DULL, LARGEST_BYTES, PICTURES, Sights, shots

SIGHTS = Sights("c 1", "d-1", "sha256:ab")


def test_every_section_of_the_head_has_a_picture() -> None:
    """A page that is added to the head is taken without a change; forms alone are left out."""
    taken = {shot.name: shot for shot in shots(["", "customers", "weather"], SIGHTS)}

    assert taken["overview"].path == ""
    assert taken["weather"].path == "/weather"
    assert DULL.isdisjoint(shot.path.strip("/") for shot in taken.values())
    assert {shot.scheme for shot in taken.values()} == {"light", "dark"}
    assert len({shot.width for shot in taken.values()}) == 2


def test_pictures_that_are_kept_are_small_and_shown() -> None:
    """Each fits its size, has a name that the command gives, and a page that shows it."""
    kept = sorted(PICTURES.glob("*"))
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "".join(page.read_text() for page in pages)

    assert kept
    for picture in kept:
        assert picture.suffix == ".webp"
        assert picture.stat().st_size <= LARGEST_BYTES, picture.name
        assert f"screenshots/{picture.name}" in text, picture.name
