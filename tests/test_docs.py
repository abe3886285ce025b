"""The documentation is of this code."""

from dataclasses import fields
from pathlib import Path

from wxiai_otel import Settings

DOCS = Path(__file__).parents[1] / "docs"


def settings_page() -> str:
    """The page that lists every setting; scripts/docs writes it."""
    lines = [
        "# Settings",
        "",
        "An argument of `setup_telemetry(app, …)` goes before the environment, the environment before the default;",
        "of two variables the first goes before the second. An empty variable is an unset one.",
        "",
        "| setting | environment | default | |",
        "|---|---|---|---|",
    ]
    for item in fields(Settings):
        variables = "<br>".join(f"`{name}`" for name in item.metadata["env"])
        default = ", ".join(item.default) if isinstance(item.default, tuple) else item.default
        shown = f"`{default}`" if default not in (None, "") else ""
        lines.append(f"| `{item.name}` | {variables} | {shown} | {item.metadata['doc']} |")
    return "\n".join(lines) + "\n"


def test_the_page_of_settings_is_up_to_date():
    assert (DOCS / "settings.md").read_text() == settings_page(), "run scripts/docs"
