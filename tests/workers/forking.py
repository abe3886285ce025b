"""A worker that forks children, which measure and exit at once; then it prints the totals."""

import os
import sys

import prometheus_client
from fastapi import FastAPI
from opentelemetry import metrics

from wxiai_otel import record_user_registration, setup_telemetry

CHILDREN = 10

# "again": telemetry ended in this process and was set up again.
directory, *measured = sys.argv[1:]
app = FastAPI()
telemetry = setup_telemetry(app, workers_folder=directory, prometheus_client=True)
sold = prometheus_client.Counter("sold", "Things sold.")
made = metrics.get_meter("shop").create_counter("made")
measures = {"registration": record_user_registration, "meter": lambda: made.add(1), "client": sold.inc}

for measure in measures.values():
    measure()
if "again" in measured:
    telemetry.shutdown()
    telemetry = setup_telemetry(app, workers_folder=directory, prometheus_client=True)
for _ in range(CHILDREN):
    child = os.fork()
    if child == 0:
        for kind in measured:
            if kind in measures:
                measures[kind]()
        if measured[-1:] != ["registration"]:  # only counts of the catalog are kept however a process ends
            telemetry.shutdown()
        os._exit(0)
    os.waitpid(child, 0)
found = telemetry.render_metrics()[0].decode().splitlines()
totals = {name: value for name, _, value in (line.partition(" ") for line in found)}
shown = [str(int(float(totals[name]))) for name in ("user_registrations_total", "made_total", "sold_total")]
sys.stdout.write(" ".join(shown))
