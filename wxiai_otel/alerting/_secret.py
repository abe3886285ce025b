"""Values that are shown to nobody."""


class Secret:
    """A string that logs, tracebacks and debuggers show as ``***``.

    Parameters:
        value: The string.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """The string itself, for what is sent."""
        return self._value
