"""docs/scaling-1000.md: the arithmetic of a thousand hosts, so that no product is older than its factors."""

from dataclasses import dataclass

HOSTS, WORKERS_A_HOST = 1000, 8
WORKERS = HOSTS * WORKERS_A_HOST
INTERVAL = 5
# An assumption; all of spans is proportional to it.
REQUESTS, SPANS_A_REQUEST = 20, 9
KEPT = 0.1
WAIT = 10
# A gateway's processors, and how much of them it should need.
CORES, BUSY = 8, 0.6
DAY = 86_400


@dataclass(frozen=True)
class Units:
    """What was measured: python -m benchmarks.scale, and what docs/sizing.md has (bytes of Prometheus' disk)."""

    points: int = 496  # of a worker's export
    export_bytes: int = 116_890
    series: float = 79_880 / 40
    scrape_bytes: float = 317_405 / 40
    push_bytes: float = 20.7
    agent_us_point: float = 1e6 / 25_500
    agent_us_point_pushing: float = (20.48 - 3.94) / 100 / (32 * 496 / 5) * 1e6
    agent_us_span: float = 18.4
    agent_mb: int = 97  # with eight workers
    gateway_us_span: float = 45.0
    gateway_kb_span: float = 5.02
    gateway_mb: int = 70
    span_bytes: int = 349
    prometheus_kb_series: float = (249.3 - 98.1) * 1024 / (79_880 - 15_976)
    prometheus_us_sample: float = (2.945 - 0.894) / 100 / ((79_880 - 15_976) / 5) * 1e6
    prometheus_bytes: float = 1.97
    prometheus_index: int = 77 * 12  # a series and day: a block each two hours
    vm_kb_series: float = (77.5 - 45.8) * 1024 / (79_880 - 15_976)
    vm_us_sample: float = (4.404 - 1.148) / 100 / ((79_880 - 15_976) / 5) * 1e6
    vm_bytes: float = 1.48
    vm_index: int = 61  # a series, once


def page() -> str:
    """The page."""
    u = Units()
    series, points = WORKERS * u.series, WORKERS * u.points / INTERVAL
    samples = series / INTERVAL
    spans_worker = REQUESTS * SPANS_A_REQUEST
    spans = WORKERS * spans_worker
    held_gb = spans * WAIT * u.gateway_kb_span / 1024**2
    gateway_cores = spans * u.gateway_us_span / 1e6
    gateways = -(-gateway_cores // (CORES * BUSY))
    traces = WORKERS * REQUESTS
    host_points, host_spans = points / HOSTS, spans / HOSTS
    agent = host_points * u.agent_us_point / 1e6
    agent_spans = host_spans * u.agent_us_span / 1e6
    pushing = host_points * u.agent_us_point_pushing / 1e6

    def gb_a_day(size: float, every: int = INTERVAL) -> float:
        return series / every * size * DAY / 1e9

    prometheus_index, vm_index = series * u.prometheus_index / 1e9, series * u.vm_index / 1e9
    prometheus_gb, vm_gb = series * u.prometheus_kb_series / 1024**2, series * u.vm_kb_series / 1024**2
    return f"""\
# A thousand hosts

On paper: {HOSTS:,} hosts of {WORKERS_A_HOST} workers, each an application of 50 routes, 20 tables, Redis, 5 AI services and its credits
([sizing.md](sizing.md)), asked {REQUESTS} times a second, {SPANS_A_REQUEST} spans a request; two tiers ([scaling.md](scaling.md)), everything each {INTERVAL} s. Unit costs are
measured on two processors shared with other work (`benchmarks/scale.py`: 8 and 40 workers for three minutes, Prometheus and
VictoriaMetrics at once; 2,940 spans/s through an agent and a gateway) and grow straight from there, which nobody has seen.

| | each | all {HOSTS:,} hosts |
|---|---|---|
| series | {u.series:,.0f} a worker | {WORKERS:,} × {u.series:,.0f} = **{series / 1e6:.1f} million** |
| samples | {u.series / INTERVAL:,.0f}/s a worker | ÷ {INTERVAL} s = **{samples / 1e6:.2f} million/s** |
| data points | {u.points} an export | {WORKERS:,} × {u.points} ÷ {INTERVAL} s = {points:,.0f}/s |
| spans, all sent (`tail_sampling="collector"`) | {spans_worker}/s a worker | {WORKERS:,} × {REQUESTS} × {SPANS_A_REQUEST} = **{spans / 1e6:.2f} million/s** |
| spans, a tenth (`process`, the default) | {spans_worker * KEPT:.0f}/s | {spans * KEPT:,.0f}/s, slow and failed ones besides |

## Bandwidth

| between | each | all |
|---|---|---|
| application and its agent, on the host | {u.export_bytes / 1000:.0f} kB an export | {WORKERS_A_HOST} × {u.export_bytes / INTERVAL / 1000:.1f} = {WORKERS_A_HOST * u.export_bytes / INTERVAL / 1000:.0f} kB/s a host, spans {host_spans * u.span_bytes / 1000:.0f} kB/s |
| agents and Prometheus, gzip | {u.scrape_bytes / 1000:.1f} kB a worker and scrape | {WORKERS * u.scrape_bytes / INTERVAL / 1e6:.0f} MB/s |
| agents and VictoriaMetrics, remote write | {u.push_bytes} bytes a sample | {samples * u.push_bytes / 1e6:.0f} MB/s |
| agents and gateways, before gzip | {u.span_bytes} bytes a span | {spans * u.span_bytes / 1e6:.0f} MB/s |

## Processors and memory

| | unit | needs |
|---|---|---|
| an agent: metrics | {u.agent_us_point:.0f} µs a data point | {host_points:,.0f}/s = {agent:.1%} of a core |
| … that pushes them too | {u.agent_us_point_pushing:.0f} µs | {pushing:.1%} |
| an agent: spans | {u.agent_us_span} µs a span | {host_spans:,.0f}/s = {agent_spans:.1%} of a core; {u.agent_mb} MB in all |
| gateways: processors | {u.gateway_us_span:.0f} µs a span | {spans / 1e6:.2f} million/s = **{gateway_cores:.0f} cores**: {gateways:.0f} of {CORES} cores at {BUSY:.0%}, and one more |
| gateways: memory | {u.gateway_kb_span} KB a span that waits {WAIT} s | {spans * WAIT / 1e6:.1f} million × {u.gateway_kb_span} KB = **{held_gb:.0f} GB**: {held_gb / gateways:.1f} GB each, and {u.gateway_mb} MB |
| gateways: traces that wait | {REQUESTS} a second and worker | {traces * WAIT / 1e6:.1f} million: `COLLECTOR_SAMPLING_TRACES` at least {traces * WAIT / gateways:,.0f} each, by default 50,000 |
| Prometheus | {u.prometheus_kb_series:.1f} KB a series, {u.prometheus_us_sample:.1f} µs a sample | **{prometheus_gb:.0f} GB, {samples * u.prometheus_us_sample / 1e6:.1f} cores**, rules and queries besides |
| … its disk | {u.prometheus_bytes} bytes a sample; {u.prometheus_index // 12} of index a series, each 2 h | {gb_a_day(u.prometheus_bytes):.0f} + {prometheus_index:.0f} = **{gb_a_day(u.prometheus_bytes) + prometheus_index:.0f} GB a day** |
| VictoriaMetrics | {u.vm_kb_series:.1f} KB a series, {u.vm_us_sample:.1f} µs a sample | **{vm_gb:.0f} GB, {samples * u.vm_us_sample / 1e6:.1f} cores**, likewise |
| … its disk | {u.vm_bytes} bytes a sample; {u.vm_index} of index a series, once | **{gb_a_day(u.vm_bytes):.0f} GB a day**, and {vm_index:.1f} GB |

One Prometheus for all is more than one should have: its memory is of three minutes, and a deployment that renews every worker
doubles the series until the old ones leave the head, after two to three hours. Then {2 * prometheus_gb:.0f} GB. VictoriaMetrics takes the same on
one large machine, or its cluster on several.

## What bends it

| knob | | effect |
|---|---|---|
| every 15 s instead of {INTERVAL} | `OTEL_METRIC_EXPORT_INTERVAL=15000`, `scrape_interval`, `COLLECTOR_METRIC_EXPIRATION=45s` | samples {series / 15 / 1e6:.2f} million/s, disk {gb_a_day(u.prometheus_bytes, 15):.0f} GB a day ({gb_a_day(u.vm_bytes, 15):.0f}); agents a third; series as before. Critical faults are told later by some 20 s |
| series | `max_series`; routes, tables, roles and services that there are | all of storage, straight. Half the routes are less than half the series: SQL, Redis and the rest stay |
| workers | fewer and larger ones | all of metrics, straight: a series is of one worker |
| several Prometheus | one for each application: rules are over a job, which must not be in two | of ten like ones, {prometheus_gb / 10:.0f} GB each |
| retention | `PROMETHEUS_RETENTION`; 30 days for error budgets | disk, straight; recorded series alone would do for budgets |
| `tail_sampling="process"` | the default | gateways {gateway_cores * KEPT:.1f} cores and {held_gb * KEPT:.1f} GB, or none where no trace goes through several services |
| `COLLECTOR_SAMPLING_WAIT=5s` | where traces are shorter | gateways' memory {held_gb / 2:.0f} GB |
| more gateways | replicas, fixed | memory and cores of each; a change cuts open traces |
| Jaeger | `COLLECTOR_SAMPLING_PERCENT` | a tenth of {traces:,} traces a second is {traces * KEPT:,.0f}: its storage was not measured, and decides this |
"""
