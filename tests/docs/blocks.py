"""The code blocks of the documentation."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.docs.pages import ROOT

PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "alerts" / "runbooks").glob("*.md"))
}
_EXCERPT = re.compile(r"<!-- excerpt: .{10,} -->\s*")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Parameters:
        page: Of PAGES.
        line: Of the fence.
        language: What stands behind the fence.
        code: What is in it.
        excerpt: Whether the page says why it is not to be executed: `<!-- excerpt: why -->` stands before it.
    """

    page: str
    line: int
    language: str
    code: str
    excerpt: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, *languages: str) -> list[Block]:
    """The blocks of a page in some languages."""
    tokens = MarkdownIt().parse(PAGES[page].read_text())
    found = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence" and token.info in languages:
            excerpt = before is not None and _EXCERPT.fullmatch(before.content) is not None
            found.append(Block(page, token.map[0] + 1, token.info, token.content, excerpt))
    return found


def executed(page: str) -> list[Block]:
    """The Python blocks of a page that are to be executed."""
    return [block for block in blocks(page, "python") if not block.excerpt]


def has_tests(block: Block) -> bool:
    """Whether a block is a module of tests."""
    return "def test_" in block.code


def write(block: Block, path: Path) -> None:
    """Write a block as a module, with the line numbers of its page."""
    path.write_text("\n" * block.line + block.code)
