"""The pages that are generated are of this code."""

import pytest

from tests.docs.pages import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_it_is_up_to_date(name):
    assert (DOCS / f"{name}.md").read_text() == PAGES[name](), "run scripts/docs"


def test_no_placeholder_is_left_in_the_page_of_alerts():
    assert "{{" not in PAGES["alerts"]()
