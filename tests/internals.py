"""The parts of the package that have no public name. Tests import them from here, so that a move touches one file."""

from wxiai_otel import (
    _background,
    _beside,
    _business,
    _collection,
    _connections,
    _deadline,
    _exit,
    _guard,
    _otlp_grpc,
    _otlp_session,
    _own,
    _parsers,
    _polled,
    _questions,
    _redaction,
    _reentry,
    _remote,
    _runtime,
    _secrets,
    _series,
    _service_links,
    _storage,
    _version,
)
from wxiai_otel.alerting import _manager, _sender
from wxiai_otel.alerting.bridge import _config
from wxiai_otel.http import _exchange, _http, _route, _user, _websocket
from wxiai_otel.logs import _export

background, connections, deadline, exits, guard = _background, _connections, _deadline, _exit, _guard
otlp_grpc, otlp_session, questions, remote, runtime = _otlp_grpc, _otlp_session, _questions, _remote, _runtime
parsers, sdk_collection = _parsers, _collection
exchange, http, route, user, websockets = _exchange, _http, _route, _user, _websocket

Periodic, in_forked_child, resume = _background.Periodic, _background.in_forked_child, _background.resume
side_by_side = _background.side_by_side
garbage_kept, short_turns = _beside.garbage_kept, _beside.short_turns
BusinessTelemetry = _business.BusinessTelemetry
sdk_storage = _collection.sdk_storage
left = _deadline.left
fault, faults, guarded = _guard.fault, _guard.faults, _guard.guarded
is_own_traffic = _own.is_own_traffic
PolledGauges = _polled.PolledGauges
Question, note_loop = _questions.Question, _questions.note_loop
redacted = _redaction.redacted
Flag, Serial, may_log, may_use_sdk = _reentry.Flag, _reentry.Serial, _reentry.may_log, _reentry.may_use_sdk
HARMLESS, RULES = _secrets.HARMLESS, _secrets.RULES
Series = _series.Series
is_service_link = _service_links.is_service_link
Storage, storage_suffices = _storage.Storage, _storage.storage_suffices
StoredRecorder, Distribution, Total = _storage.StoredRecorder, _storage._Distribution, _storage._Total
MAX_DELAY_SECONDS, bounded_delay = _remote.MAX_DELAY_SECONDS, _remote.bounded_delay
export_delay, requested_delay = _remote.export_delay, _remote.requested_delay
SCOPE_NAME = _version.SCOPE_NAME
alert_manager, alert_sender, load_bridge = _manager, _sender, _config.load
text_of_record = _export._text
