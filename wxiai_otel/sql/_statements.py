"""What metrics say of the statement that is being executed, remembered for the next time."""

from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from ._constructs import read_compiled
from ._text import OTHER, UNKNOWN, Statement, head, read

# Longer texts are not hashed whole: hashing a megabyte takes longer than reading its head.
MAX_TEXT_LENGTH = 2_048
_MAX_TEXTS = 1_000
_MAX_CHARACTERS = 2_000_000
_BEFOREHAND = ("SELECT ", "select ", "SET ")

T = TypeVar("T")


class ByText(Generic[T]):
    """A cache by text, bounded in entries and characters."""

    __slots__ = ("_characters", "_found", "get")

    def __init__(self) -> None:
        self._found: dict[str, T] = {}
        self._characters = 0
        self.get = self._found.get

    def add(self, text: str, value: T) -> None:
        """Add a value. Clear the cache first if it is full."""
        self._characters += len(text)
        if len(self._found) >= _MAX_TEXTS or self._characters > _MAX_CHARACTERS:
            self._found.clear()
            self._characters = len(text)
        self._found[text] = value


class Statements:
    """Operation and table of statements, with a bounded number of tables and of texts remembered.

    Parameters:
        max_tables: Tables that are labels; any further one is ``other``.
    """

    def __init__(self, max_tables: int) -> None:
        self._max_tables = max_tables
        self._tables: set[str] = {UNKNOWN, OTHER}
        self._compiled: WeakKeyDictionary[Any, Statement] = WeakKeyDictionary()
        self._texts: ByText[Statement] = ByText()

    def of(self, context: Any, text: str) -> Statement:
        """The operation and table of a statement.

        Parameters:
            context: SQLAlchemy's execution context.
            text: The statement as it goes to the driver.
        """
        compiled = getattr(context, "compiled", None)
        if compiled is not None and compiled.statement is not None and not _is_beforehand(context, text):
            found = self._compiled.get(compiled)
            if found is None:
                found = self._compiled[compiled] = self._bounded(self._built(compiled, text))
            return found
        return self.of_text(text)

    def of_text(self, text: str) -> Statement:
        """Return the operation and table of a statement that exists only as text."""
        found = self._texts.get(text) if len(text) <= MAX_TEXT_LENGTH else None
        if found is None:
            key = head(text)
            found = self._texts.get(key)
            if found is None:
                found = self._bounded(read(key))
                self._texts.add(key, found)
        return found

    @staticmethod
    def _built(compiled: Any, text: str) -> Statement:
        try:
            return read_compiled(compiled, text)
        except Exception:  # noqa: BLE001 - a construct of another make: its text says it too
            return read(text)

    def _bounded(self, statement: Statement) -> Statement:
        if statement.table not in self._tables:
            # Two more for the words that are no tables.
            if len(self._tables) >= self._max_tables + 2:
                return Statement(statement.operation, OTHER)
            self._tables.add(statement.table)
        return statement


def _is_beforehand(context: Any, text: str) -> bool:
    """Whether this is not the statement itself but what its defaults, or the dialect, ask in its context."""
    return (context.isinsert or context.isupdate) and text.startswith(_BEFOREHAND)
