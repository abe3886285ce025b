"""The parts of alerting that have no public name. Tests import them from here, so that a move touches one file."""

from wxiai_otel import _data, _remote
from wxiai_otel.alerting import _errors, _manager, _message, _rate, _render, _secret, _sender, _text
from wxiai_otel.alerting.bridge import _app, _config, _http, _late, _payload, _serve

manager, remote, sender = _manager, _remote, _sender
app, config, http, late, payload, serve = _app, _config, _http, _late, _payload, _serve

data_folder = _data.data_folder
NotDelivered = _errors.NotDelivered
Alert, Message, weight = _message.Alert, _message.Message, _message.weight
Rate = _rate.Rate
Secret = _secret.Secret
Sender = _sender.Sender
digest, markdown = _render.digest, _render.markdown
cut, fitting, json_safe = _text.cut, _text.fitting, _text.json_safe
one_line, size, to_json = _text.one_line, _text.size, _text.to_json
