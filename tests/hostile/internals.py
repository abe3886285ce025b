"""What is attacked without its way in. Tests import it from here, so that a move touches one file."""

from wxiai_otel import _labels, _redaction, _secrets
from wxiai_otel.alerting import _config, _errors, _manager, _message, _post, _render, _secret, _text
from wxiai_otel.alerting.bridge import _app, _payload
from wxiai_otel.alerting.bridge import _config as _bridge_config
from wxiai_otel.alerting.channels import _robot, _webhook
from wxiai_otel.business import _token
from wxiai_otel.http import _http
from wxiai_otel.lay_out import _choices  # for its patterns only, which `test_growth` finds
from wxiai_otel.logs import _export
from wxiai_otel.redis import _commands, _spans
from wxiai_otel.sql import _statements
from wxiai_otel.sql import _text as _sql_text
from wxiai_otel.tracing import _outgoing

alert_manager, posting, outgoing = _manager, _robot, _outgoing

printable = _labels.printable
MARGIN, MASK, redacted, redacted_attribute = (
    _redaction.MARGIN,
    _redaction.MASK,
    _redaction.redacted,
    _redaction.redacted_attribute,
)
HARMLESS, RULES, python = _secrets.HARMLESS, _secrets.RULES, _secrets.python

enabled, NotDelivered, Answer, Secret = _config.enabled, _errors.NotDelivered, _post.Answer, _secret.Secret
Alert, Message = _message.Alert, _message.Message
digest, markdown, title = _render.digest, _render.markdown, _render.title
inert_lines, json_safe, one_line, safe = _text.inert_lines, _text.json_safe, _text.one_line, _text.safe
Bridge, BridgeConfig = _app.Bridge, _bridge_config.BridgeConfig
PayloadError, parse, payload = _payload.PayloadError, _payload.parse, _webhook.payload

decode = _token.decode
GETTER = _http._GETTER
LogExport = _export.LogExport
MAX_COMMAND, read_command, without_arguments = _commands.MAX_NAME, _commands.read, _spans.without_arguments
Statements = _statements.Statements
MAX_NAME, MAX_SHOWN, read = _sql_text.MAX_NAME, _sql_text.MAX_SHOWN, _sql_text.read
without_literals = _sql_text.without_literals
Outgoing = _outgoing.Outgoing
