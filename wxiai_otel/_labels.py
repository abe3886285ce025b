"""Label values as every encoding and parser takes them."""


def printable(value: str) -> str:
    """A value without lone surrogates and control characters, which become escapes as Python writes them."""
    if value.isascii() and value.isprintable():
        return value
    whole = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(character if _is_fine(character) else _escaped(character) for character in whole)


def exception_type(exception: BaseException | None) -> str:
    """The exception's class with its module, as the semantic conventions want ``error.type``."""
    cls = type(exception)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _is_fine(character: str) -> bool:
    return character.isprintable() or character == "\n"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
