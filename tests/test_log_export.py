"""Log records go out by OTLP where it is wanted: all, once, with the ids of their traces and without secrets."""

import logging
import os
import threading
import time

import pytest
from fastapi import FastAPI
from opentelemetry import trace

from tests.asgi import get
from tests.internals import redacted
from tests.otlp import grpc_receiver, http_receiver
from tests.secret_texts import TEXTS
from wxiai_otel import LogFormatter, setup_telemetry

log = logging.getLogger("app")


@pytest.fixture(autouse=True)
def level():
    before = log.level
    log.setLevel(logging.INFO)
    yield
    log.setLevel(before)


def set_up(received, **settings):
    return setup_telemetry(FastAPI(title="shop"), otlp_endpoint=received.url, logs_exporter="otlp", **settings)


def values(record) -> dict:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in record.attributes}


def only(received):
    (record,) = received.records
    return record


@pytest.mark.parametrize(("protocol", "start"), [("grpc", grpc_receiver), ("http/protobuf", http_receiver)])
async def test_a_record_of_a_request_has_the_ids_of_its_span(protocol, start):
    with start() as received:
        app = FastAPI(title="shop")
        telemetry = setup_telemetry(
            app, otlp_endpoint=received.url, otlp_protocol=protocol, logs_exporter="otlp", trace_share=1
        )

        @app.get("/x")
        async def x():
            log.warning("stock of %s is low", "tea")

        await get(app, "/x")
        assert telemetry.force_flush()

        (span,) = received.spans
        record = only(received)
        assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
        assert record.body.string_value == "stock of tea is low"
        assert (record.severity_text, record.severity_number) == ("WARN", 13)
        assert received.logs[0].resource_logs[0].scope_logs[0].scope.name == "app"


async def test_without_being_asked_for_nothing_is_sent(received):
    before = logging.Logger.callHandlers
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url)
    log.error("x")
    telemetry.force_flush()

    assert received.logs == []
    assert logging.Logger.callHandlers is before


def test_as_many_arrive_as_were_logged_by_threads_each_with_its_trace(received):
    telemetry = set_up(received)
    tracer = trace.get_tracer("test")
    made: dict[str, str] = {}

    def work(worker: int) -> None:
        for number in range(200):
            with tracer.start_as_current_span("work") as span:
                text = f"worker-{worker} {number}"
                made[text] = format(span.get_span_context().trace_id, "032x")
                log.info(text)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    telemetry.force_flush()

    assert len(received.records) == len(made) == 1600
    assert {record.body.string_value: record.trace_id.hex() for record in received.records} == made


def test_forked_children_send_theirs_and_not_those_of_the_parent(received):
    telemetry = set_up(received)
    for number in range(20):
        log.info("parent %s", number)
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            for number in range(20):
                log.info("child-%s %s", child, number)
            telemetry.force_flush()
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    telemetry.force_flush()

    expected = {f"parent {n}" for n in range(20)} | {f"child-{c} {n}" for c in range(3) for n in range(20)}
    texts = [record.body.string_value for record in received.records]
    assert sorted(texts) == sorted(expected)


def test_what_is_pending_is_sent_at_the_end_and_nothing_afterwards(received):
    before = logging.Logger.callHandlers
    telemetry = set_up(received)
    log.info("last")
    telemetry.shutdown()
    log.info("after")

    assert only(received).body.string_value == "last"
    assert logging.Logger.callHandlers is before


def test_a_dead_collector_costs_nothing_and_is_not_told_of_itself(caplog):
    caplog.set_level(logging.DEBUG)
    telemetry = setup_telemetry(
        FastAPI(), otlp_endpoint="http://127.0.0.1:9", logs_exporter="otlp", shutdown_timeout=0.5
    )
    seen = []
    logger = telemetry._runtime.providers.logger_provider
    emitted = logger._multi_log_record_processor
    original = emitted.on_emit
    emitted.on_emit = lambda record: (seen.append(record.log_record.body), original(record))
    for number in range(5000):
        log.info("%s", number)
    started = time.monotonic()
    telemetry.shutdown()

    assert time.monotonic() - started < 8  # an export without a deadline takes 10 s and more
    assert seen == [str(number) for number in range(5000)]
    assert any(record.name.startswith("opentelemetry") for record in caplog.records)


def test_a_logger_that_does_not_propagate_is_heard_and_basic_config_still_works(received):
    telemetry = set_up(received)
    apart = logging.getLogger("apart")
    apart.propagate = False
    apart.warning("x")
    telemetry.force_flush()

    assert only(received).body.string_value == "x"
    assert not any(type(handler).__module__.startswith("wxiai_otel") for handler in logging.getLogger().handlers)


def test_of_extra_goes_what_is_named_and_of_exceptions_no_message(received):
    telemetry = set_up(received, log_attributes=["tenant", "tries", "thing"])
    try:
        try:
            raise KeyError("hunter2")
        except KeyError as error:
            raise ValueError("hunter2") from error
    except ValueError:
        log.exception("failed", extra={"tenant": "acme", "tries": 3, "thing": object(), "other": "hunter2"})
    telemetry.force_flush()

    found = values(only(received))
    assert (found["tenant"], found["tries"], found["exception.type"]) == ("acme", 3, "ValueError")
    assert set(found) == {
        *("tenant", "tries", "exception.type", "exception.stacktrace"),
        *("code.file.path", "code.function.name", "code.line.number"),
    }
    assert found["exception.stacktrace"].splitlines()[-1] == "ValueError"
    assert "KeyError" in found["exception.stacktrace"]
    assert __file__ in found["exception.stacktrace"]
    assert "hunter2" not in str(received.logs)


def test_the_stack_has_no_exception_that_the_application_hides(received):
    telemetry = set_up(received)
    try:
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None
    except ValueError:
        log.exception("failed")
    telemetry.force_flush()

    stack = values(only(received))["exception.stacktrace"]
    assert stack.splitlines()[-1] == "ValueError"
    assert "KeyError" not in stack


SECRETS = {
    **TEXTS,
    "(sqlite3.IntegrityError) x\n[SQL: INSERT INTO t VALUES (?)]\n[parameters: ('s3cret',)]": "s3cret",
    "DETAIL:  Key (name)=(s3cret) already exists.": "s3cret",
    '"GET /reset?code=s3cret HTTP/1.1" 200': "s3cret",
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_no_secret_is_sent(received, text, secret):
    telemetry = set_up(received, log_attributes=["said"])
    log.warning("%s", f"before {text}" if not text.startswith("DETAIL") else text, extra={"said": text})
    telemetry.force_flush()

    assert len(received.records) == 1
    assert secret not in str(received.logs)


def test_what_is_no_secret_stays():
    text = "order 4711 of user 12 took 1.5 s: really? SELECT a FROM b WHERE c = ? at http://host/path"
    assert redacted(text) == text


def test_statements_with_their_values_stay_here(received):
    telemetry = set_up(received)
    logging.getLogger("sqlalchemy.engine.Engine").warning("INSERT INTO t VALUES ('s3cret')")
    telemetry.force_flush()

    assert received.logs == []


@pytest.mark.parametrize("text", ["x" * 100_000, "a-" * 50_000, "eyJ" * 9000, "????" * 9000, "\ud800 \x00"])
def test_whatever_is_logged_arrives_and_is_bounded(received, text):
    telemetry = set_up(received)
    log.warning(text)
    telemetry.force_flush(20)

    assert 0 < len(only(received).body.string_value) <= 8192


def test_arguments_that_do_not_fit_are_sent_as_they_were_written(received, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    telemetry = set_up(received)
    log.propagate = False
    try:
        log.warning("%d apples", "many")
    finally:
        log.propagate = True
    telemetry.force_flush()

    assert only(received).body.string_value == "%d apples"


class TestFormatter:
    def line(self) -> str:
        record = logging.getLogger("app").makeRecord("app", logging.INFO, __file__, 1, "hello", (), None)
        return LogFormatter().format(record)

    def test_a_line_shows_trace_and_span(self):
        setup_telemetry(FastAPI())
        with trace.get_tracer("test").start_as_current_span("work") as span:
            context = span.get_span_context()
            assert self.line().endswith(
                f"INFO app trace_id={context.trace_id:032x} span_id={context.span_id:016x} hello"
            )

    def test_a_record_of_a_process_without_telemetry_is_a_line_too(self):
        assert self.line().endswith("trace_id=0 span_id=0 hello")

    def test_logging_config_can_name_it(self):
        import logging.config

        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"traces": {"()": "wxiai_otel.LogFormatter"}},
                "handlers": {"x": {"class": "logging.StreamHandler", "formatter": "traces"}},
                "loggers": {"configured": {"handlers": ["x"]}},
            }
        )
        (handler,) = logging.getLogger("configured").handlers
        assert isinstance(handler.formatter, LogFormatter)
