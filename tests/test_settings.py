"""Each setting: argument before environment before default, and one clear error for a bad value."""

from dataclasses import fields
from unittest import mock

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from hypothesis import given as given_any
from hypothesis import strategies as st
from opentelemetry.util import re as re_of_opentelemetry
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tests.docs import arguments
from wxiai_otel import SettingError, Settings, SettingsArguments, setup_telemetry
from wxiai_otel.settings import load_settings

ALL = {item.name: item for item in fields(Settings)}


def test_without_anything_every_setting_has_its_default():
    assert load_settings({}, {}) == Settings()


@pytest.mark.parametrize("name", ALL)
def test_every_setting_is_documented_and_its_variables_are_ours_or_the_standards(name):
    metadata = ALL[name].metadata
    assert metadata["doc"].endswith(".")
    assert all(variable.startswith(("WXIAI_OTEL_", "OTEL_")) for variable in metadata["env"])


def test_no_variable_gives_two_settings():
    variables = [variable for item in ALL.values() for variable in item.metadata["env"]]
    assert len(set(variables)) == len(variables)


def test_an_argument_goes_before_the_environment_and_that_before_the_default():
    environ = {"WXIAI_OTEL_MAX_SERIES": "7"}
    assert load_settings({}, environ).max_series == 7
    assert load_settings({"max_series": 5}, environ).max_series == 5
    assert load_settings({"max_series": None}, environ).max_series == 7


def test_our_variable_goes_before_the_standard_one():
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://standard:4318"}
    assert load_settings({}, environ).otlp_endpoint == "http://standard:4318"
    environ["WXIAI_OTEL_OTLP_ENDPOINT"] = "http://ours:4318"
    assert load_settings({}, environ).otlp_endpoint == "http://ours:4318"


def test_an_empty_variable_is_an_unset_one():
    environ = {"WXIAI_OTEL_MAX_SERIES": " ", "OTEL_SDK_DISABLED": ""}
    assert load_settings({}, environ) == Settings()


def test_the_standard_export_interval_is_in_milliseconds_and_ours_in_seconds():
    assert load_settings({}, {"OTEL_METRIC_EXPORT_INTERVAL": "2500"}).metric_export_interval == 2.5
    assert load_settings({}, {"WXIAI_OTEL_METRIC_EXPORT_INTERVAL": "2.5"}).metric_export_interval == 2.5


@pytest.mark.parametrize(
    ("variable", "raw", "name", "value"),
    [
        ("OTEL_SDK_DISABLED", "true", "disabled", True),
        ("WXIAI_OTEL_HTTP", "false", "http", False),
        ("OTEL_SERVICE_NAME", "shop", "service_name", "shop"),
        ("WXIAI_OTEL_ROLES", "gold, silver", "roles", ("gold", "silver")),
        ("WXIAI_OTEL_PREFIX", "/ops/", "prefix", "/ops"),
        ("WXIAI_OTEL_EXCLUDED_PATHS", "/live,/static/*", "excluded_paths", ("/live", "/static/*")),
        ("WXIAI_OTEL_HTTP_ENGINE", "contrib", "http_engine", "contrib"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "otlp_protocol", "grpc"),
        ("WXIAI_OTEL_SLOW_QUERY_SECONDS", "0.25", "slow_query_seconds", 0.25),
        ("WXIAI_OTEL_REDIS_URL", "rediss://cache:6380/1", "redis_client", "rediss://cache:6380/1"),
        ("WXIAI_OTEL_STATE_REDIS", "unix:///run/redis.sock", "state_redis", "unix:///run/redis.sock"),
        ("WXIAI_OTEL_STATE_REDIS", " Memory ", "state_redis", "memory"),
        ("WXIAI_OTEL_STRICT", "yes", "strict", True),
        ("WXIAI_OTEL_TIME_ZONE", "America/New_York", "time_zone", "America/New_York"),
        ("WXIAI_OTEL_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", ("10.0.0.0/8", "::1/128")),
        ("WXIAI_OTEL_LOGIN_ROUTES", "/in,/api/{version}/in", "login_routes", ("/in", "/api/{version}/in")),
        ("WXIAI_OTEL_AVG_USER_CREDITS", "SELECT 7", "avg_user_credits", "SELECT 7"),
        ("WXIAI_OTEL_AI_SERVICES", "sora", "ai_services", ("sora",)),
        ("WXIAI_OTEL_ADMIN_ROLES", "root", "admin_roles", ("root",)),
        ("WXIAI_OTEL_METRICS_TOKEN", " s3cret ", "metrics_token", "s3cret"),
        ("WXIAI_OTEL_ABUSE_REQUESTS", "100", "abuse_requests", 100),
        ("WXIAI_OTEL_LOGIN_WINDOW", "60", "login_window", 60.0),
        ("WXIAI_OTEL_TRACE_SHARE", "0", "trace_share", 0.0),
        ("WXIAI_OTEL_TRACE_SHARE", "1", "trace_share", 1.0),
    ],
)
def test_the_environment_gives_a_setting_in_its_own_type(variable, raw, name, value):
    assert getattr(load_settings({}, {variable: raw}), name) == value


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        ({"max_series": 0}, {}, ["setting max_series", "argument max_series is 0", "allowed is"]),
        ({"max_series": True}, {}, ["setting max_series", "True"]),
        ({"http": "perhaps"}, {}, ["setting http", "'perhaps'", "true", "false"]),
        ({"http_engine": "mine"}, {}, ["'mine'", "native", "contrib"]),
        ({"slow_query_seconds": float("nan")}, {}, ["setting slow_query_seconds", "nan"]),
        ({"slow_query_seconds": -1}, {}, ["-1"]),
        ({"prefix": "monitoring"}, {}, ["setting prefix", "'monitoring'"]),
        ({"find_user": "state.user"}, {}, ["setting find_user", "'state.user'"]),
        ({"engines": [1]}, {}, ["setting engines", "[1]"]),
        (
            {},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
            ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http"],
        ),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://me:hidden@collector"}, ["'grpc://****@collector'"]),
        ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, ["http/json", "http/protobuf", "grpc"]),
        ({}, {"OTEL_METRIC_EXPORT_INTERVAL": "often"}, ["OTEL_METRIC_EXPORT_INTERVAL", "often"]),
        ({}, {"WXIAI_OTEL_SHUTDOWN_TIMEOUT": "0"}, ["WXIAI_OTEL_SHUTDOWN_TIMEOUT", "'0'"]),
        ({}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, ["OTEL_EXPORTER_OTLP_TIMEOUT", "'10s'", "greater than 0"]),
        ({}, {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http"}, ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "'http'", "grpc"]),
        ({}, {"OTEL_METRICS_EXEMPLAR_FILTER": "all"}, ["OTEL_METRICS_EXEMPLAR_FILTER", "'all'", "trace_based"]),
        ({"state_redis": "nowhere"}, {}, ["setting state_redis", "a secret", "redis://", "memory"]),
        ({"state_redis": object()}, {}, ["setting state_redis", "a client of redis-py"]),
        ({"time_zone": "Mars/Olympus"}, {}, ["'Mars/Olympus'", "IANA", "Asia/Shanghai"]),
        ({"time_zone": "../etc/passwd"}, {}, ["setting time_zone", "IANA"]),
        ({"time_zone": ""}, {}, ["setting time_zone", "IANA"]),
        ({"trusted_proxies": ["10.0.0.1/8"]}, {}, ["10.0.0.1/8", "10.0.0.0/8"]),
        ({"trusted_proxies": ["proxy.local"]}, {}, ["proxy.local", "IP addresses or networks"]),
        ({"login_routes": ["login"]}, {}, ["setting login_routes", "templates"]),
        ({"login_routes": ["/auth/*"]}, {}, ["/auth/*", "templates"]),
        ({"avg_user_credits": " "}, {}, ["setting avg_user_credits", "callable", "SQL"]),
        ({"daily_active_users": 7}, {}, ["setting daily_active_users", "7"]),
        ({"gauge_engine": "sqlite://"}, {}, ["setting gauge_engine", "'sqlite://'", "engine of SQLAlchemy"]),
        ({"stats_dependency": "admin"}, {}, ["setting stats_dependency", "callable"]),
        ({"health_checks": {"queue": 7}}, {}, ["setting health_checks", "callables by name"]),
        ({"health_checks": [len]}, {}, ["setting health_checks", "dictionary"]),
        ({"ai_probes": {"kling": "kling.example"}}, {}, ["setting ai_probes", "tcp://host:port"]),
        ({"ai_probes": {"kling": "tcp://kling"}}, {}, ["setting ai_probes"]),
        ({"ai_probes": {"kling": "tcp://kling:port"}}, {}, ["setting ai_probes"]),
        ({"ai_probes": {"kling": "file:///etc/passwd"}}, {}, ["setting ai_probes"]),
        ({"ai_probes": {7: "http://kling"}}, {}, ["setting ai_probes"]),
        ({"detection_clients": 0}, {}, ["setting detection_clients", "at least 1"]),
        ({"task_timeout": 0}, {}, ["setting task_timeout", "greater than 0"]),
        ({"strict": "perhaps"}, {}, ["setting strict", "'perhaps'"]),
    ],
)
def test_a_bad_value_is_one_error_that_names_the_setting_its_source_the_value_and_what_is_allowed(
    arguments, environ, words
):
    with pytest.raises(SettingError) as raised:
        load_settings(arguments, environ)
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("signal", ["", "TRACES_", "METRICS_", "LOGS_"])
def test_headers_that_are_none_are_named_and_not_shown(signal):
    variable = f"OTEL_EXPORTER_OTLP_{signal}HEADERS"
    with pytest.raises(SettingError, match=f"^{variable} is a secret; allowed is .*name=value") as raised:
        load_settings({}, {variable: "Authorization: Bearer hunter2"})
    assert "hunter2" not in str(raised.value)


def test_standard_variables_that_the_exporters_take_are_taken():
    environ = {
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20t0ken==, x-tenant = shop",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2.5",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": " ",
    }
    assert load_settings({}, environ) == Settings()


@given_any(st.lists(st.text(st.sampled_from('aZ0-_. =:;"\\%/\t\x7fé'), max_size=12).filter(str.strip), max_size=3))
def test_headers_are_allowed_that_the_exporters_take(parts):
    raw = ",".join(parts)
    # They log one that they do not take, whole, and leave it out.
    with mock.patch.object(re_of_opentelemetry, "_logger") as logger:
        re_of_opentelemetry.parse_env_headers(raw, liberal=True)
    try:
        load_settings({}, {"OTEL_EXPORTER_OTLP_HEADERS": raw})
    except SettingError:
        assert logger.warning.called
    else:
        assert not logger.warning.called


def test_objects_and_callables_are_taken_as_they_are():
    given = {
        "state_redis": redis.Redis(),
        "redis_client": redis.asyncio.Redis(),
        "gauge_engine": create_async_engine("sqlite+aiosqlite://"),
        "avg_user_credits": len,
        "stats_dependency": len,
        "health_checks": {"queue": len},
        "ai_probes": {"kling": len, "flux": "https://flux", "jimeng": "tcp://jimeng:443"},
    }
    loaded = load_settings(given, {})
    assert {name: getattr(loaded, name) for name in given} == given
    assert load_settings({"gauge_engine": create_engine("sqlite://")}, {}).gauge_engine is not None


def test_an_unknown_setting_is_an_error_that_lists_all():
    with pytest.raises(SettingError, match=r"there is no setting 'colour'; allowed are .*, max_series, [a-z_, ]+$"):
        setup_telemetry(FastAPI(), colour="red")


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("service_nam", "service_name"),
        ("serviceName", "service_name"),
        ("Service_Name", "service_name"),
        ("traceshare", "trace_share"),
        ("max_serie", "max_series"),
        ("otlp_endpiont", "otlp_endpoint"),
        ("endpoint", "otlp_endpoint"),
        ("redis_url", "redis_client"),
        ("OTEL_SERVICE_NAME", "service_name"),
        ("wxiai_otel_trace_share", "trace_share"),
        ("exporter_otlp_endpoint", "otlp_endpoint"),
    ],
)
def test_a_misspelled_setting_is_an_error_with_the_likeliest_one(argument, meant):
    with pytest.raises(SettingError, match=rf"there is no setting '{argument}'; .*; did you mean {meant}\?$"):
        setup_telemetry(FastAPI(), **{argument: "hunter2"})


def test_its_types_for_editors_are_those_of_the_settings():
    assert arguments.FILE.read_text() == arguments.arguments_module(), "run scripts/docs"
    assert SettingsArguments.__optional_keys__ == ALL.keys()


@pytest.mark.parametrize("word", ["true", "TRUE", " True ", "1", "yes", "On"])
def test_what_is_true(word):
    assert load_settings({"strict": word}, {}).strict is True
    assert load_settings({}, {"WXIAI_OTEL_STRICT": word}).strict is True


@pytest.mark.parametrize("word", ["false", "FALSE", " False ", "0", "no", "Off"])
def test_what_is_false(word):
    assert load_settings({"http": word}, {}).http is False
    assert load_settings({}, {"WXIAI_OTEL_HTTP": word}).http is False


@pytest.mark.parametrize("word", ["", " ", "y", "enabled", "2", "tru"])
def test_what_is_neither_is_an_error_that_lists_the_spellings(word):
    with pytest.raises(SettingError, match=r"; allowed is true or false, also written as 1, yes, on, 0, no, off$"):
        load_settings({"http": word}, {})


@pytest.mark.parametrize(("raw", "value"), [("10_000", 10_000), (" 7 ", 7), ("1e3", 1_000), ("5.0", 5)])
def test_numbers_are_written_as_in_python(raw, value):
    assert load_settings({}, {"WXIAI_OTEL_MAX_SERIES": raw}).max_series == value


@pytest.mark.parametrize("raw", ["10s", "1m", "5 s", "10%", "1,5", "0x10", "1__0", "Infinity", "9" * 5_000])
def test_numbers_have_no_unit(raw):
    with pytest.raises(SettingError, match=r": WXIAI_OTEL_TASK_TIMEOUT is .*; allowed is a number greater than 0$"):
        load_settings({}, {"WXIAI_OTEL_TASK_TIMEOUT": raw})


def test_a_secret_in_the_wrong_place_is_not_shown():
    for arguments_, environ in (
        ({"prefix": "token=hunter2hunter2"}, {}),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317?api_key=hunter2hunter2"}),
        ({"engines": ["postgresql://shop:hunter2hunter2@db/shop"]}, {}),
    ):
        with pytest.raises(SettingError) as raised:
            load_settings(arguments_, environ)
        assert "hunter2" not in str(raised.value)


def test_a_long_value_is_shortened():
    with pytest.raises(SettingError, match=r"…; allowed is ") as raised:
        load_settings({"http_engine": "x " * 100_000}, {})
    assert len(str(raised.value)) < 400


@given_any(
    st.sampled_from(sorted(ALL)),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text()), st.tuples()
    ),
)
def test_whatever_is_given_is_taken_or_refused_by_a_setting_error(name, value):
    try:
        load_settings({name: value}, {})
    except SettingError as error:
        assert f"setting {name}" in str(error)  # noqa: PT017 - most values are fine for some setting
