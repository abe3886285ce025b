"""Interrupt helpers by helpers: ``python -m tests.reentry INTERRUPTION SECONDS``.

Prints the number of calls, and exits with 0 if nothing deadlocked and each call was counted once.
"""

import contextlib
import faulthandler
import gc
import itertools
import logging
import logging.handlers
import os
import queue
import signal
import sys
import threading
import time
import weakref
from collections import Counter, deque

from opentelemetry import metrics, trace

import wxiai_otel
from tests.internals import fault, faults
from tests.scrape import parse

SERVICE = "flux"
HANG_SECONDS = 90

numbers = itertools.count()
done: Counter[str] = Counter()
counting = threading.Lock()  # only where nothing interrupts: each thread has a counter of its own meanwhile
tokens = [None]


@wxiai_otel.monitor_ai_task(SERVICE)
def ai_task():
    return 1


@wxiai_otel.monitor_credits_operation("refund")
def refund(amount):
    return amount


def start():
    tokens[0] = wxiai_otel.start_ai_task(SERVICE, "fast").token


def start_and_complete():
    wxiai_otel.complete_ai_task(wxiai_otel.start_ai_task(SERVICE, "fast").token, "success")


# Each helper, and the metric that counts only its calls, if there is one.
HELPERS = {
    "error": (lambda: wxiai_otel.record_error(f"E{next(numbers)}", "c"), "application_errors_total"),
    "login": (lambda: wxiai_otel.record_login_failure(f"r{next(numbers)}", "account"), "login_failures_total"),
    "payment": (lambda: wxiai_otel.record_payment_failure("alipay", "timeout"), "payment_failures_total"),
    "upload": (lambda: wxiai_otel.record_upload_failure(ValueError()), "file_upload_failures_total"),
    "security": (lambda: wxiai_otel.record_security_event("probe", "info", path="/x"), None),
    "user": (lambda: wxiai_otel.record_user_activity(next(numbers) % 1_000), None),
    "registration": (wxiai_otel.record_user_registration, "user_registrations_total"),
    "credits": (lambda: wxiai_otel.record_credits("consume", 2, balance=7, service=SERVICE), None),
    "refund": (lambda: refund(1), None),
    "refused": (lambda: wxiai_otel.record_credits("consume", "nothing"), None),
    "start": (start, None),
    "start and complete": (start_and_complete, None),
    "ai task": (ai_task, None),
    "fault": (lambda: fault("test"), None),
    "log": (lambda: logging.getLogger("application").error("a record"), None),
}


def of_the_application():
    """Use the SDK and logging as an application does. This code may be interrupted too."""
    span, counter = trace.get_current_span(), metrics.get_meter("application").create_counter("application.calls")

    def use():
        for _ in range(20):
            span.set_attribute("a", next(numbers))
            span.add_event("e", {"a": 1})
            counter.add(1, {"n": next(numbers) % 50})
            trace.get_tracer(f"t{next(numbers) % 5}").start_span("s").end()
            logging.getLogger(f"application.{next(numbers) % 100}").warning("a record")

    return use


def call(name, counts):
    # A scrape has a deadline, which a busy machine may miss.
    with contextlib.suppress(wxiai_otel.TaskTokenError, TimeoutError):
        HELPERS[name][0]()
    counts.append(name)


class Interruption:
    """A source of interruptions that calls the helpers in turn."""

    def __init__(self, calls):
        self.calls, self.names, self.within, self.active = calls, itertools.cycle(HELPERS), 0, True

    def __call__(self, *_):
        if not self.active or self.within > 2:  # limit nested destructors
            return
        self.within += 1
        try:
            call(next(self.names), self.calls)
        finally:
            self.within -= 1

    def begin(self):
        pass

    def make(self):
        pass

    def end(self):
        pass


class Signal(Interruption):
    def begin(self):
        signal.signal(signal.SIGALRM, self)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)

    def end(self):
        signal.setitimer(signal.ITIMER_REAL, 0)


class Destructor(Interruption):
    def begin(self):
        interruption = self

        class Leaked:
            def __init__(self):
                self.me = self
                # Triggers the garbage collector after this many allocations, anywhere in the next calls.
                gc.set_threshold(1 + next(numbers) % 61)

            def __del__(self):
                interruption()

        self.make = Leaked

    def end(self):
        self.make = lambda: None
        gc.set_threshold(700, 10, 10)
        gc.collect()


class Weak(Destructor):
    def begin(self):
        super().begin()

        class Leaked:
            pass

        references = deque(maxlen=100)

        def make():
            leaked = Leaked()
            leaked.me = leaked
            gc.set_threshold(1 + next(numbers) % 61)
            references.append(weakref.ref(leaked, self))

        self.make = make


class Profile(Interruption):
    def begin(self):
        events = itertools.count()

        def profile(*_):
            if next(events) % 499 == 0:
                self()

        sys.setprofile(profile)

    def end(self):
        sys.setprofile(None)


def run_main(interruption, calls, seconds):
    uses = [*(lambda name=name: call(name, calls) for name in HELPERS), of_the_application()]
    for use in uses:
        # A share of the CPU time: each use is run however busy the machine is.
        until = time.process_time() + seconds / len(uses)
        while time.process_time() < until:
            use()
            interruption.make()


def main(kind, seconds):
    faulthandler.dump_traceback_later(seconds + HANG_SECONDS, exit=True)
    logging.getLogger("application").addHandler(logging.NullHandler())
    logging.getLogger("application").propagate = False
    records = queue.Queue(1_000)
    handler = logging.handlers.QueueHandler(records)  # whose queue holds a lock that is not reentrant
    handler.handleError = lambda _record: None
    logging.getLogger("wxiai_otel").addHandler(handler)  # the application may deadlock itself with its own records
    telemetry = wxiai_otel.setup_telemetry(
        service_name="reentry",
        otlp_endpoint="http://127.0.0.1:9",
        logs_exporter="otlp",
        shutdown_timeout=0.5,
        state_redis="memory",
        workers_folder=os.environ.get("WXIAI_OTEL_WORKERS_FOLDER", "none"),
        security_event_types=["probe"],
        strict=False,
        task_secret="secret",
        time_zone="UTC",
    )
    HELPERS["render"] = (telemetry.render_metrics, None)
    before = parse(telemetry.render_metrics()[0].decode())
    ended = threading.Event()

    def beside(calls):
        names = itertools.cycle([name for name in HELPERS if name != "render"])
        while not ended.is_set():
            call(next(names), calls)
            time.sleep(0.0005)

    interrupting, main_calls, *others = lists = [[], [], [], []]
    threads = [threading.Thread(target=beside, args=(calls,)) for calls in others]
    for thread in threads:
        thread.start()
    interruption = {"signal": Signal, "destructor": Destructor, "weakref": Weak, "profile": Profile}[kind](interrupting)
    with trace.get_tracer("application").start_as_current_span("main"):
        interruption.begin()
        try:
            run_main(interruption, main_calls, seconds)
        finally:
            interruption.end()
            interruption.active = False
    ended.set()
    for thread in threads:
        thread.join()
    for calls in lists:
        done.update(calls)
    assert set(interrupting) == set(HELPERS), f"not interrupted by {set(HELPERS) - set(interrupting)}"
    telemetry._runtime.watch.flush(5)
    after = parse(telemetry.render_metrics()[0].decode())
    check(before, after)
    assert gc.isenabled(), "garbage is still kept"
    sys.stdout.write(f"{len(interrupting)} interruptions\n")
    sys.stdout.flush()
    os._exit(0)


def check(before, after):
    def total(name, **labels):
        return after.value(name, **labels) - before.value(name, **labels)

    expected = {name: done[helper] for helper, (_, name) in HELPERS.items() if name is not None}
    found = {name: total(name) for name in expected}
    tasks = done["start"] + done["start and complete"]
    expected["submitted"], found["submitted"] = tasks + done["ai task"], total("ai_tasks_submitted_total")
    expected["completed"] = done["start and complete"] + done["ai task"]
    found["completed"] = total("ai_tasks_total", status="success")
    expected["consumed"] = 2 * done["credits"]
    found["consumed"] = total("credits_consumed_total")
    expected["refunds"], found["refunds"] = done["refund"], total("credits_operations_total", operation="refund")
    expected["probes"], found["probes"] = done["security"], total("security_events_total", event_type="probe")
    expected["refused"], found["refused"] = done["refused"], total("wxiai_otel_inputs_refused_total")
    expected["faults"], found["faults"] = done["fault"], faults()["test"]
    expected["users"], found["users"] = 0, total("daily_active_users") - min(1_000, after.value("daily_active_users"))
    expected["balances"], found["balances"] = done["credits"], total("user_credits_balance_count")
    assert found == expected, {key: (found[key], expected[key]) for key in found if found[key] != expected[key]}
    assert set(faults()) == {"test"} | {name for name in faults() if name.startswith("export.")}, faults()
    series = Counter((sample.name, *sorted(sample.labels.items())) for sample in after.samples)
    assert max(series.values()) == 1, "a series is there twice"


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
