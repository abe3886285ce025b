"""`wxiai-otel doctor` on the settings in force, and on those that are not allowed."""

import json


def test_each_has_its_value_and_its_source(doctor):
    seen = doctor(OTEL_SERVICE_NAME="shop", WXIAI_OTEL_METRICS_TOKEN="hunter2")

    assert seen.settings["service_name"] == ("shop", "OTEL_SERVICE_NAME")
    assert seen.settings["prefix"] == ("/monitoring", "default")
    assert seen.settings["metrics_token"] == ("set", "WXIAI_OTEL_METRICS_TOKEN")
    assert "hunter2" not in json.dumps(seen.said)


def test_arguments_of_the_applications_call_are_one(doctor, module):
    seen = doctor("--app", module("wxiai_otel.setup_telemetry(app, prefix='/internal')"))

    assert seen.settings["prefix"] == ("/internal", "argument")


def test_a_value_that_is_not_allowed_is_a_failure_and_the_rest_is_looked_at(doctor):
    seen = doctor(WXIAI_OTEL_MAX_SERIES="0", OTEL_METRIC_EXPORT_INTERVAL="never", OTEL_SERVICE_NAME="shop")

    assert seen.of("WXIAI_OTEL_MAX_SERIES") == (
        "failed",
        "setting max_series: WXIAI_OTEL_MAX_SERIES is '0'; allowed is a whole number of at least 1",
    )
    assert seen.of("OTEL_METRIC_EXPORT_INTERVAL")[0] == "failed"
    assert seen.settings["service_name"][0] == "shop"
    assert seen.status == 1


def test_nor_does_a_header_that_is_none_end_it_or_show(doctor):
    seen = doctor(OTEL_EXPORTER_OTLP_HEADERS="Authorization: Bearer hunter2")

    assert seen.of("OTEL_EXPORTER_OTLP_HEADERS")[0] == "failed"
    assert "hunter2" not in json.dumps(seen.said)


def test_the_same_variables_are_warnings_as_at_the_set_up(doctor):
    seen = doctor(
        WXIAI_OTLE_PREFIX="/x",
        OTEL_EXPORTER_OTLP_ENDIPONT="http://127.0.0.1:9",
        WXIAI_OTEL_PORT="tcp://10.96.7.7:9095",
        WXIAI_OTEL_SERVICE_HOST="10.96.7.7",
    )

    assert seen.of("WXIAI_OTLE_PREFIX")[0] == "warning"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in seen.of("OTEL_EXPORTER_OTLP_ENDIPONT")[1]
    assert not seen.has("WXIAI_OTEL_PORT")
    assert not seen.has("WXIAI_OTEL_SERVICE_HOST")


def test_a_variable_that_is_no_setting_is_a_warning_with_the_likeliest(doctor):
    state, message = doctor(WXIAI_OTEL_PREFFIX="/x").of("WXIAI_OTEL_PREFFIX")

    assert (state, message) == ("warning", "there is no such setting; did you mean WXIAI_OTEL_PREFIX?")
