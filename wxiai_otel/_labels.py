"""Label values as every encoding and parser takes them."""


def printable(value: str) -> str:
    """A value without lone surrogates and control characters, which become escapes as Python writes them."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(character if _is_fine(character) else _escaped(character) for character in whole(value))


def whole(text: str) -> str:
    """A text without lone surrogates, which JSON may hold and OTLP cannot."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def exception_type(exception: BaseException | None) -> str:
    """The exception's class with its module, as the semantic conventions want ``error.type``."""
    cls = type(exception)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def message_of(exception: BaseException) -> str:
    """What an exception says, whatever it does when it is asked."""
    try:
        return str(exception)
    except (Exception, SystemExit):  # noqa: BLE001 - it is the application's code
        return f"<{type(exception).__name__}>"


def _is_fine(character: str) -> bool:
    return character.isprintable() or character == "\n"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
