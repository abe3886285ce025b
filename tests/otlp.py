"""OTLP receivers on loopback, by HTTP and by gRPC, which keep what they are sent."""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc


class Received:
    """What a receiver was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.traces: list = []
        self.metrics: list = []
        self.logs: list = []
        self.arrived = threading.Event()
        # What is answered instead of taking it, in turn; of which signal.
        self.refusals: dict[str, list[int]] = {}
        # Answers in the place of the receiver, as long as it is there.
        self.instead: Callable[[BaseHTTPRequestHandler], None] | None = None
        # By gRPC: ends a call in the place of the receiver, as long as it is there.
        self.aborts: Callable[[grpc.ServicerContext], None] | None = None
        # By gRPC: what each request is answered, by signal.
        self.answers: dict[str, object] = {}
        # Whoever sends waits until it is set.
        self.goes_on = threading.Event()
        self.goes_on.set()
        # The connections, by the port they came from.
        self.peers: set[int] = set()

    def take(self, kind: str, message) -> None:
        getattr(self, kind).append(message)
        self.arrived.set()

    @property
    def spans(self) -> list:
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def records(self) -> list:
        return [
            record
            for request in self.logs
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def resource(self) -> dict[str, str]:
        found = (*self.traces, *self.metrics)[0]
        resources = getattr(found, "resource_spans", None) or found.resource_metrics
        return {item.key: item.value.string_value for item in resources[0].resource.attributes}

    def total(self, name: str, **attributes: str) -> float:
        """Return the sum of a counter's last values of all processes."""
        found: dict[str, float] = {}
        for request in self.metrics:
            for resource in request.resource_metrics:
                process = _strings(resource.resource.attributes)["service.instance.id"]
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == name:
                            found[process] = sum(
                                point.as_int or point.as_double
                                for point in metric.sum.data_points
                                if attributes.items() <= _strings(point.attributes).items()
                            )
        return sum(found.values())

    def points(self, name: str) -> list:
        """The data points of a metric in the last request that had it."""
        for request in reversed(self.metrics):
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == name:
                            return list(getattr(metric, metric.WhichOneof("data")).data_points)
        return []


def _strings(attributes) -> dict[str, str]:
    return {item.key: item.value.string_value for item in attributes}


@contextmanager
def http_receiver(port: int = 0) -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.peers.add(self.client_address[1])
            received.goes_on.wait()
            if received.instead is not None:
                received.instead(self)
                return
            if refusals := received.refusals.get(self.path):
                self.send_response(refusals.pop(0))
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                received.take("traces", trace_pb.ExportTraceServiceRequest.FromString(body))
            elif self.path == "/v1/metrics":
                received.take("metrics", metrics_pb.ExportMetricsServiceRequest.FromString(body))
            elif self.path == "/v1/logs":
                received.take("logs", logs_pb.ExportLogsServiceRequest.FromString(body))
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        # Connections are kept, as the Collector does.
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    received.url = f"http://127.0.0.1:{server.server_port}"
    # The interval bounds how long the end of the receiver takes.
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield received
    finally:
        received.goes_on.set()
        server.shutdown()
        server.server_close()


@contextmanager
def grpc_receiver(port: int = 0) -> Iterator[Received]:
    received = Received()

    class Traces(trace_grpc.TraceServiceServicer):
        def Export(self, request, context):
            if received.aborts is not None:
                received.aborts(context)
            received.take("traces", request)
            return received.answers.get("traces") or trace_pb.ExportTraceServiceResponse()

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(self, request, context):
            if received.aborts is not None:
                received.aborts(context)
            received.take("metrics", request)
            return received.answers.get("metrics") or metrics_pb.ExportMetricsServiceResponse()

    class Logs(logs_grpc.LogsServiceServicer):
        def Export(self, request, context):
            if received.aborts is not None:
                received.aborts(context)
            received.take("logs", request)
            return received.answers.get("logs") or logs_pb.ExportLogsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    received.url = f"http://127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield received
    finally:
        server.stop(None).wait()
