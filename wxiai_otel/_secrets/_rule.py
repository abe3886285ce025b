"""The form of the table's entries, and how the two interpreters read them."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

# Blanks within a line, of both widths. `\s` is Unicode-aware in Python and ASCII in RE2.
BLANKS = " \\t\u00a0\u3000"
BLANK = f"[{BLANKS}]"
# Where a word ends: blanks of both widths and Chinese punctuation, which no value has in it.
END = rf"{BLANKS}\r\n\f\v，。；！？、（）【】「」《》“”"

# Written in the table: possessive quantifiers, the end of the text, and bounds that keep a search in Python linear.
_PYTHON_ONLY = re.compile(r"(?<=[*+?}])\+|\\Z|\{([01]),(?:[6-9]|[0-9]{2,})\}")
# RE2 has a flag for letters of any case: the shorter forms of patterns of words.
_SHORT_FORMS: dict[str, str] = {}


class Boundary(NamedTuple):
    """A condition on the characters beside a match.

    Attributes:
        python: A lookaround.
        re2: The same for RE2, which has no lookaround. It may consume the neighbor, but no blank or Chinese character.
        between: For RE2: consumes the neighbor that two matches share.
    """

    python: str = ""
    re2: str = ""
    between: str = ""


ANY = Boundary()
# RE2's `\b` is ASCII: there is a boundary between a digit and a Chinese character.
NO_DIGIT_BEFORE = Boundary(r"(?<![0-9])", r"(?:\b|[A-Za-z_])")
NO_DIGIT_AFTER = Boundary(r"(?![0-9])", r"(?:\b|[A-Za-z_])", "[A-Za-z_]")
NO_WIDE_DIGIT_BEFORE = Boundary(r"(?<![０-９])", r"(?:^|[^０-９])")
NO_WIDE_DIGIT_AFTER = Boundary(r"(?![０-９])", r"(?:$|[^０-９])", "[^０-９]")
NO_LETTER_BEFORE = Boundary(r"(?<![A-Za-z0-9])", r"(?:\b|_)")
TEXT_BEFORE = Boundary(rf"(?<=[^{BLANKS}\r\n])", "")
AT_AFTER = Boundary(r"(?=@)", "@")


class Rule(NamedTuple):
    """A kind of secret.

    Attributes:
        name: What it is, as the documentation lists it.
        pattern: A regular expression that Python and RE2 read alike. A group of it is not masked.
        value: Forms of what follows a match and is masked, while the match is not. The first form that fits counts.
        words: Words of which a text with this secret has at least one, or a key of `SHAPES`. ASCII letters are in lower
            case, as in the text that is searched.
        masked: Texts, and what the process makes of them.
        kept: Texts that stay as they are.
        before: What may not stand before it.
        after: What may not stand after it.
        is_valid: Returns whether the check digit of a match is right. It is called in the process only: the Collector masks
            the match anyway.
        kept_in_process: Texts that stay as they are in the process only.
        re2: The pattern for RE2, if it is another one.
    """

    name: str
    pattern: str
    words: tuple[str, ...]
    masked: tuple[tuple[str, str], ...]
    kept: tuple[str, ...] = ()
    before: Boundary = ANY
    after: Boundary = ANY
    value: tuple[str, ...] = ()
    is_valid: Callable[[str], bool] | None = None
    kept_in_process: tuple[str, ...] = ()
    re2: str | None = None


class Harmless(NamedTuple):
    """A kind of text that rules would mask although it is no secret.

    Attributes:
        name: What it is, as the documentation lists it.
        forms: Pairs of regular expressions that Python and RE2 read alike: `MARK` is put between what they match, one after
            the other, while the rules run.
        words: As those of a `Rule`.
        kept: Texts that stay as they are.
    """

    name: str
    forms: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    kept: tuple[str, ...]


# No value of a rule begins with it, and no number has it.
MARK = "\v\f"

# Instead of a word: a text has a number that is long enough, or the end of a Discord token.
NUMBER = "\0number"
DISCORD = "\0discord"
SHAPES = {
    NUMBER: "[0-9][0-9][0-9][ -]?[0-9][0-9][0-9][0-9]",
    DISCORD: r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}",
}


def python(rule: Rule) -> str:
    """Return the pattern for `re`."""
    return rule.before.python + rule.pattern + rule.after.python


def re2(rule: Rule, *, captured: bool = False) -> str:
    """Return the pattern for RE2.

    Parameters:
        rule: An entry of the table.
        captured: Whether groups hold the neighbors, and the name before a value. Otherwise all of a match is masked.
    """
    pattern = rule.pattern if rule.re2 is None else rule.re2
    if rule.value:
        name = f"(?:{pattern})+"
        pattern = (f"({name})" if captured else name) + f"(?:{'|'.join(rule.value)})"
    pattern = for_re2(pattern)
    if rule.after.between:
        pattern = f"{pattern}(?:{rule.after.between}{pattern})*"
    before, after = (f"({one})" if captured and one else one for one in (rule.before.re2, rule.after.re2))
    return before + pattern + after


def for_re2(pattern: str) -> str:
    """Return a pattern of the table as RE2 reads it, without a boundary."""
    for long, short in _SHORT_FORMS.items():
        pattern = pattern.replace(long, short)
    return _PYTHON_ONLY.sub(_for_re2, pattern)


def _for_re2(found: re.Match[str]) -> str:
    if found[0] == r"\Z":
        return r"\z"
    return f"{{{found[1]},}}" if found[1] else ""


def any_case(text: str) -> str:
    """Return a pattern for a text in any case, without letters of other alphabets that a flag would add.

    An underscore is an optional separator.
    """
    return "".join(
        "[ _.-]?" if letter == "_" else f"[{letter.upper()}{letter}]" if _is_letter(letter) else re.escape(letter)
        for letter in text
    )


def words(text: str) -> str:
    """Return a pattern for one of several words in any case, of which an underscore is an optional separator."""
    pattern = one_of(text.split(), any_case)
    endings: dict[str, list[str]] = {}
    for word in text.split():
        beginning, _, ending = word.rpartition("_")
        endings.setdefault(f"_{ending}" if beginning else "", []).append(beginning or ending)
    _SHORT_FORMS[pattern] = (
        "(?i:" + "|".join(f"(?:{one_of(texts, _separated)}){_separated(end)}" for end, texts in endings.items()) + ")"
    )
    return pattern


def _separated(text: str) -> str:
    return text.replace("_", "[ _.-]?")


def one_of(texts: Iterable[str], pattern: Callable[[str], str]) -> str:
    """Return a pattern for one of several texts. Its first letters are literals: `re` skips what no text starts with.

    Parameters:
        texts: The texts, in lower case.
        pattern: Returns the pattern of a letter.
    """
    tree: dict[str, Any] = {}
    for text in texts:
        node = tree
        for letter in text:
            node = node.setdefault(letter, {})
        node[""] = {}
    return "|".join(
        re.escape(first) + _rest(node, pattern)
        for letter, node in tree.items()
        for first in ((letter, letter.upper()) if pattern is any_case and _is_letter(letter) else letter)
    )


def _rest(node: dict[str, Any], pattern: Callable[[str], str]) -> str:
    rests = [pattern(letter) + _rest(then, pattern) for letter, then in node.items() if letter]
    if len(rests) == 1 and "" not in node:
        return rests[0]
    return "(?:" + "|".join(rests) + ")" + "?" * ("" in node) if rests else ""


def _is_letter(text: str) -> bool:
    return "a" <= text <= "z"


def wide(pattern: str) -> str:
    """Return the pattern with full-width digits. Numbers in braces are counts."""
    return re.sub(
        r"\{[0-9,]{1,8}\}|[0-9]", lambda found: found[0] if len(found[0]) > 1 else chr(ord(found[0]) + 0xFEE0), pattern
    )
