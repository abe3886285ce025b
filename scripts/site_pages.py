"""What the site has besides docs/: the pages of the repository's root, and the runbooks. MkDocs calls it as a hook."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "index.zh-CN.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


def on_files(files: Files, config: Any, **_kwargs: Any) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=_links_of_the_site((ROOT / source).read_text())))
    for runbook in sorted((ROOT / "alerts" / "runbooks").glob("*.md")):
        # Reached from the page of alerts, and by their names; the navigation would be twice as long with them.
        page = f"runbooks/{runbook.name}"
        files.append(File.generated(config, page, content=runbook.read_text(), inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, **_kwargs: Any) -> str:
    """Links to the runbooks lead to where the site has them."""
    return markdown.replace("](../alerts/runbooks/", "](runbooks/")


def _links_of_the_site(text: str) -> str:
    """Links of a page in the root; what the site does not have is no link."""
    text = text.replace("](docs/", "](").replace("[Apache 2.0](LICENSE)", "Apache 2.0")
    return re.sub(r"\]\(((?:README|CONTRIBUTING|CHANGELOG)[\w.-]*)\)", lambda found: f"]({PAGES[found[1]]})", text)
