"""Helpers that interrupt code which holds a lock that the application's log handler takes."""

import functools
import gc
import logging
import re
import signal
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI

from wxiai_otel import record_error, setup_telemetry


class _Destroyed:
    def __init__(self, call):
        self.call = call

    def __del__(self):
        self.call()


class _Finalized:
    """An object without a destructor of its own."""


class _Handler:
    """A signal handler that is neither a function nor a method."""

    def __init__(self, call):
        self.call = call

    def __call__(self, *_args):
        self.call()


def _by_destructor(call):
    _Destroyed(call)


def _by_finalizer(call):
    weakref.finalize(_Finalized(), call)


def _by_signal(handler):
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def _by_profile(call):
    def profile(*_args):
        call()

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        len("")
    finally:
        sys.setprofile(before)


def _by_collection(call):
    def callback(*_args):
        call()

    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)


def _by_filter(call):
    class Filter(logging.Filter):
        def filter(self, _record):
            call()
            return True

    logger, of_call = logging.getLogger("wxiai_otel.tests.filtered"), Filter()
    logger.addFilter(of_call)
    try:
        logger.error("x")
    finally:
        logger.removeFilter(of_call)


def _by_record_factory(call):
    before = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        call()
        return before(*args, **kwargs)

    logging.setLogRecordFactory(factory)
    try:
        logging.getLogger("wxiai_otel.tests.made").error("x")
    finally:
        logging.setLogRecordFactory(before)


def _by_executor(call):
    class Executor(ThreadPoolExecutor):
        def __init__(self):
            super().__init__(1)
            self._idle_semaphore = self

        def acquire(self, **_options):
            call()
            return True

    with Executor() as executor:
        executor.submit(int)


INTERRUPTIONS = {
    "a destructor": _by_destructor,
    "a finalizer": _by_finalizer,
    "a signal handler": lambda call: _by_signal(lambda *_args: call()),
    "a partial as a signal handler": lambda call: _by_signal(functools.partial(lambda *_args: call())),
    "a method as a signal handler": lambda call: _by_signal(_Handler(call).__call__),
    "an object as a signal handler": lambda call: _by_signal(_Handler(call)),
    "a profile function": _by_profile,
    "a callback of the garbage collector": _by_collection,
    "a filter of a logger": _by_filter,
    "a factory of log records": _by_record_factory,
    "an executor": _by_executor,
}


@pytest.mark.parametrize("interrupt", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_a_helper_needs_no_lock_that_the_interrupted_code_holds(interrupt):
    """The application's log handler takes a lock of the application: without our record it would not run now."""
    lock = threading.Lock()
    waited, called = [], []

    class Handler(logging.Handler):
        def emit(self, _record):
            if lock.acquire(timeout=0.2):
                lock.release()
            else:
                waited.append(True)

    def call():
        if not called:
            called.append(True)
            record_error("Interrupted", "reentry")

    events, handler = logging.getLogger("wxiai_otel.events"), Handler()
    telemetry = setup_telemetry(FastAPI(), workers_folder="none")
    events.addHandler(handler)
    try:
        with lock:
            interrupt(call)
    finally:
        events.removeHandler(handler)
        metrics = telemetry.render_metrics()[0].decode()
        telemetry.shutdown()
    assert called
    assert not waited
    assert re.search(r'application_errors_total\{component="reentry",error_type="Interrupted"\} 1\.0', metrics)
