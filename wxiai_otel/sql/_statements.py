"""What metrics say of the statement that is being executed, remembered for the next time."""

from typing import Any
from weakref import WeakKeyDictionary

from ._constructs import read_compiled
from ._text import OTHER, UNKNOWN, Statement, read

MAX_TEXTS = 1_000
MAX_TEXT_LENGTH = 2_048
_BEFOREHAND = ("SELECT ", "select ", "SET ")


class Statements:
    """Operation and table of statements, with a bounded number of tables and of texts remembered.

    Parameters:
        max_tables: Tables that are labels; any further one is ``other``.
    """

    def __init__(self, max_tables: int) -> None:
        self._max_tables = max_tables
        self._tables: set[str] = {UNKNOWN, OTHER}
        self._compiled: WeakKeyDictionary[Any, Statement] = WeakKeyDictionary()
        self._texts: dict[str, Statement] = {}

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
        """The operation and table of a statement of which there is only the text."""
        found = self._texts.get(text)
        if found is None:
            found = self._bounded(read(text))
            if len(text) <= MAX_TEXT_LENGTH:
                if len(self._texts) >= MAX_TEXTS:
                    self._texts.clear()
                self._texts[text] = found
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
