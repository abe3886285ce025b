"""The spans of statements, by the stable conventions, without literals, messages and the database's user.

https://opentelemetry.io/docs/specs/semconv/db/database-spans/
They are those of opentelemetry-instrumentation-sqlalchemy but for what tests/sql/test_differential.py lists.
"""

import sys
from typing import Any

from opentelemetry.util.types import AttributeValue
from sqlalchemy.engine import Engine

from .._client_spans import ClientSpan, ClientSpans
from .._held_spans import Description
from ._statements import MAX_TEXT_LENGTH, ByText
from ._text import MAX_READ, UNKNOWN, Statement, without_literals

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name
_SYSTEMS = {"oracle": "oracle.db", "mssql": "microsoft.sql_server"}
_UPSTREAM = "opentelemetry.instrumentation.sqlalchemy.engine"


def system_name(dialect: str) -> str:
    """The conventions' name of a database system, by SQLAlchemy's name of the dialect."""
    return _SYSTEMS.get(dialect, dialect)


class EngineSpans:
    """Starts the spans of one engine's statements.

    What they say is remembered by the statement's text: reading it again costs more than the span.

    Parameters:
        engine: The engine; it is not kept alive.
        spans: Starts them.
    """

    def __init__(self, engine: Engine, spans: ClientSpans) -> None:
        self._spans = spans
        self._dialect = engine.dialect.name
        self._place = _place(engine)
        # Without a host in its URL, the driver knows where PostgreSQL is: by a service, or the environment.
        self._asks_driver = self._dialect == "postgresql" and not engine.url.host
        self._known: ByText[tuple[Statement, Description]] = ByText()

    def start(self, statement: Statement, text: str, cursor: Any) -> ClientSpan | None:
        """Start the span of a statement; ``None`` where nobody would receive it.

        Parameters:
            statement: What is read of it.
            text: Its text, as it goes to the driver.
            cursor: The driver's, or SQLAlchemy's adapter of it.
        """
        context = self._spans.wanted()
        if context is None:
            return None
        if len(text) > MAX_TEXT_LENGTH:
            text = text[: MAX_READ + 1]  # one character more marks the text as cut
        found = self._known.get(text)
        # The same text may be read from SQLAlchemy's constructs or from itself.
        if found is None or found[0] != statement:
            found = self._describe(statement, text)
        description = found[1]
        if self._asks_driver:
            name, attributes, _ = description
            description = self._spans.describe(name, {**attributes, **_place_by_driver(cursor)})
        return self._spans.start(description, context)

    def _describe(self, statement: Statement, text: str) -> tuple[Statement, Description]:
        operation, table = statement
        attributes: dict[str, AttributeValue] = {
            "db.system.name": system_name(self._dialect),
            "db.operation.name": operation,
            **self._place,
        }
        name = operation
        if table != UNKNOWN:
            attributes["db.collection.name"] = table
            name = f"{operation} {table}"
        attributes["db.query.text"] = without_literals(text, backslashes=self._dialect in ("mysql", "mariadb"))
        found = (statement, self._spans.describe(name, attributes))
        self._known.add(text, found)
        return found


def is_traced(engine: Engine) -> bool:
    """Whether the application has opentelemetry-instrumentation-sqlalchemy trace an engine."""
    upstream = sys.modules.get(_UPSTREAM)
    if upstream is None:
        return False
    listeners = upstream.EngineTracer._remove_event_listener_params  # noqa: SLF001 - there is no public way to ask
    return any(target() is engine for target, _, _ in listeners)


def _place(engine: Engine) -> dict[str, AttributeValue]:
    url = engine.url
    place = {"db.namespace": url.database, "server.address": url.host, "server.port": url.port}
    return {key: value for key, value in place.items() if value}


def _place_by_driver(cursor: Any) -> dict[str, AttributeValue]:
    info = getattr(getattr(cursor, "connection", None), "info", None)
    if not info:
        return {}
    place: dict[str, AttributeValue] = {}
    if database := getattr(info, "dbname", None):
        place["db.namespace"] = database
    host, port = info.host, info.port
    if host and host.startswith("/"):
        if port:  # PostgreSQL names all its sockets so
            place["server.address"] = f"{host.rstrip('/')}/.s.PGSQL.{port}"
    elif host:
        place["server.address"] = host
        if port:
            place["server.port"] = int(port)
    return place
