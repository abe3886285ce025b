"""Private names that the tests of this folder use: imported here only, so that a move touches one file."""

from wxiai_otel._storage import Storage, series_key
from wxiai_otel.prometheus import _collector, _gauges, _segment, _shared_directory, _workers
from wxiai_otel.prometheus._members import ENDED, VALUES, ended, fold, members
from wxiai_otel.prometheus._segment import HEADER_BYTES, MOST_BYTES, Header, Record, Segment, packed, records
from wxiai_otel.prometheus._shared_directory import SharedDirectory, is_worker, server_of_this_process, shared_directory
from wxiai_otel.prometheus._totals import add_exemplars, add_records, application_totals, bounded, metrics_data
