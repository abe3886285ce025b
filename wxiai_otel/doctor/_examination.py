"""The examination, from what costs nothing to what takes a minute."""

import os
from dataclasses import dataclass

from fastapi import FastAPI

from .. import _guard, _under_test
from ..settings import Settings, load_settings
from ..telemetry import Telemetry, setup_telemetry
from ..testing._spans import Collector
from . import _application, _endpoints, _environment, _instrumentation, _probe, _settings
from ._report import Report


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Parameters:
        app: ``module:attribute`` of the application.
        url: Of a running application.
        prometheus: Where a probe's metric should arrive.
        jaeger: Where its trace should.
        timeout: Seconds to look for the probe.
    """

    app: str | None = None
    url: str | None = None
    prometheus: str | None = None
    jaeger: str | None = None
    timeout: float = 60.0


def examine(options: Options) -> Report:
    """Look at this environment, and at what it is connected to. Nothing is sent but the probe, and empty requests."""
    report = Report()
    _environment.look_at_versions(report)
    _environment.look_at_others(report)
    given = dict(os.environ)
    usable = _settings.allowed(report, given)
    _settings.look_for_unknown(report, given)
    for name in given.keys() - usable.keys():
        del os.environ[name]
    settings = _set_up(report, options) or load_settings({})
    report.settings = _settings.effective(settings, usable)
    _endpoints.look_at_otlp(report, settings)
    _endpoints.look_at_redis(report, settings)
    _endpoints.look_at_workers_folder(report, settings)
    if options.url is not None:
        _endpoints.look_at_running(report, options.url, settings)
    for url in (options.prometheus, options.jaeger):
        if url is not None:
            _endpoints.ask(report, url, {})
    if options.prometheus is not None or options.jaeger is not None:
        _probe.send_and_find(report, settings, options.prometheus, options.jaeger, options.timeout)
    return report


def _set_up(report: Report, options: Options) -> Settings | None:
    """Set up as the application does, in memory; the settings that are in force then."""
    _under_test.switch(Collector())
    telemetry: Telemetry | None = None
    faults_before = _guard.faults()
    with _instrumentation.warnings("wxiai_otel") as warned:
        if options.app is None:
            telemetry = setup_telemetry(FastAPI())
        elif (app := _application.load(report, options.app)) is not None:
            telemetry = _application.set_up(report, app)
    _application.look_at_providers(report)
    if telemetry is None:
        return None
    _application.look_at_prometheus_client(report, telemetry.settings)
    _instrumentation.look_at_pieces(report, telemetry.settings, warned, faults_before)
    return telemetry.settings
