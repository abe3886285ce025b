"""Misspelled names, and the known ones that they may mean."""

import re
from collections.abc import Collection, Iterator, Mapping

from ._redaction import redacted
from ._service_links import is_service_link

_MAX_NAME = 100
# A misspelled name has at most this many letters too many, missing or elsewhere, and at most one in five.
_MAX_SLIPS = 3
_LETTERS_PER_SLIP = 5
# Only names whose first letters are nearly those of a known one are compared: an environment may have thousands.
_HEAD = 4


def nearest(name: str, known: Mapping[str, str]) -> str | None:
    """Return what belongs to the known name that is most like a name, or ``None`` if none is like it.

    Parameters:
        name: A name that is not known. Case, dashes and underscores do not count.
        known: What to suggest, by known name.
    """
    from difflib import get_close_matches

    by_letters = _by_letters(known)
    found = get_close_matches(_letters(name), by_letters, n=1)
    return known[by_letters[found[0]]] if found else None


def did_you_mean(name: object, known: Collection[str]) -> str:
    """Return the end of an error about an unknown name: ``; did you mean …?``, or nothing if no known one is like it.

    Parameters:
        name: The unknown name.
        known: The known names, or what to suggest by known name.
    """
    suggestions = known if isinstance(known, Mapping) else {each: each for each in known}
    return suggested(nearest(str(name), suggestions))


def suggested(suggestion: str | None) -> str:
    """Return the end of an error that suggests a name: ``; did you mean …?``, or nothing without one."""
    return f"; did you mean {suggestion}?" if suggestion else ""


def unknown(
    environ: Mapping[str, str], prefix: str, variables: Collection[str], suggestions: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    """Yield the name of each variable that nothing reads and that looks like a setting, and which one it may mean.

    Those are all variables with the prefix, in any case and with dashes too, and others that are nearly a known name:
    ``WXIAI_OTLE_SQL``, but not ``WXIAI_SQL``. Empty variables and service links are left out.

    Parameters:
        environ: The environment.
        prefix: What the names of the settings begin with.
        variables: The known variables, with this prefix or another one.
        suggestions: What to suggest for names with the prefix, by known name without it.
    """
    heads = {frozenset(name[:_HEAD]) for name in variables}
    by_letters = _by_letters(variables)
    for name in sorted(environ):
        head = set(name[:_HEAD].upper())
        if name in variables or not any(len(head & each) >= _HEAD - 1 for each in heads):
            continue
        if not environ[name].strip() or is_service_link(name, environ):
            continue
        usual = re.sub(r"[^0-9A-Z]", "_", name.upper())
        if usual.startswith(prefix):
            yield name, nearest(usual.removeprefix(prefix), suggestions)
        elif (found := _misspelled(name, by_letters)) is not None:
            yield name, found


def printable(name: str) -> str:
    """Return an unknown name as an error or a log line can show it: on one line, cut, and without secrets.

    Name and value may have been swapped.
    """
    shown = redacted(name, limit=_MAX_NAME)
    return shown if shown.isprintable() else ascii(shown)[:_MAX_NAME]


def _misspelled(name: str, by_letters: Mapping[str, str]) -> str | None:
    """Return the known name that a name has a few slips in; ``None``: it is another one."""
    from difflib import SequenceMatcher, get_close_matches

    letters = _letters(name)
    for found in get_close_matches(letters, by_letters, n=1, cutoff=0.8):
        same = sum(block.size for block in SequenceMatcher(None, letters, found).get_matching_blocks())
        if len(letters) + len(found) - 2 * same <= min(_MAX_SLIPS, len(letters) // _LETTERS_PER_SLIP):
            return by_letters[found]
    return None


def _by_letters(known: Collection[str]) -> dict[str, str]:
    return {_letters(name): name for name in known}


def _letters(name: str) -> str:
    return "".join(char for char in name[:_MAX_NAME].upper() if char.isalnum())
