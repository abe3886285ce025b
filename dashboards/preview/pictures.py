"""A picture of every dashboard."""

from pathlib import Path

from dashboards.files import UIDS, load

from .browser import Page, browser

# In the page's pixels; pictures for docs need not be as sharp.
WIDTH = 1600
_SCALE = 0.8


def take(url: str, folder: Path, seconds: int | None = None) -> list[Path]:
    """Write a PNG of each dashboard.

    Parameters:
        url: The preview's address.
        folder: Where to.
        seconds: How far they look back; as each says where nothing is said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with browser() as page:
        for uid in UIDS:
            show(page, url, uid, WIDTH, f"seconds={seconds}" if seconds else "")
            path = folder / f"{uid}.png"
            path.write_bytes(page.picture())
            written.append(path)
    return written


def show(page: Page, url: str, uid: str, width: int, chosen: str = "") -> None:
    """Open a dashboard, as high as it is, and wait until all of it is drawn."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in load(uid)["panels"])
    page.size(width, rows * 38 + 80, _SCALE)
    page.open("about:blank")
    page.open(f"{url}/d/{uid}?{chosen}")
    page.until("window.preview && preview.rounds > 0 && document.fonts.status == 'loaded'")
    height = page.ask("document.querySelector('main').getBoundingClientRect().bottom + scrollY")
    page.size(width, round(height), _SCALE)
    page.ask("new Promise(done => setTimeout(done, 500))")
