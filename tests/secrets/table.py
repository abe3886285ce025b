"""The table of secrets and what the process makes of texts; other tests need not know where these are."""

from wxiai_otel import _database_errors, _redaction, _secrets

PASSED, QUERY, RULES, SHAPES = _secrets.HARMLESS, _secrets.QUERY, _secrets.RULES, _secrets.SHAPES
redaction = _redaction
redacted = _redaction.redacted
reduced = _database_errors.reduced
