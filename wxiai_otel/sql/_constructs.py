"""The operation and first table of a statement that SQLAlchemy built, from its own constructs."""

from typing import Any

from sqlalchemy.sql import ddl, dml, selectable
from sqlalchemy.sql.schema import Index, Table

from ._text import Statement, read


def read_compiled(compiled: Any, text: str) -> Statement:
    """The operation and first table of a compiled statement.

    Parameters:
        compiled: SQLAlchemy's Compiled.
        text: Its text, which says what the constructs do not.
    """
    statement = compiled.statement
    if isinstance(statement, dml.UpdateBase):
        operation = type(statement).__visit_name__.upper()
        return Statement(operation, _table(statement.table) or read(text).table)
    if isinstance(statement, selectable.SelectBase):
        table = _table(statement)
        return Statement("SELECT", table) if table else read(text)
    element = getattr(statement, "element", None)
    if isinstance(statement, ddl.ExecutableDDLElement) and isinstance(element, Table | Index):
        owner = element if isinstance(element, Table) else element.table
        return Statement(read(text).operation, owner.name if owner is not None else read(text).table)
    return read(text)


def _table(element: Any) -> str | None:
    """The name of the first table within a selectable, in the order in which it is written."""
    if isinstance(element, selectable.TableClause):
        return str(element.name)
    if isinstance(element, selectable.Join):
        return _table(element.left) or _table(element.right)
    if isinstance(element, selectable.CompoundSelect):
        return _first(element.selects)
    if isinstance(element, selectable.Select):
        return _first(element.get_final_froms())
    if isinstance(element, dml.UpdateBase):  # a common table expression may change data
        return _table(element.table)
    inner = getattr(element, "element", None)
    return _table(inner) if inner is not None else None


def _first(elements: Any) -> str | None:
    for element in elements:
        if (found := _table(element)) is not None:
            return found
    return None
