"""Private names that the tests of this folder use: imported here only, so that a move touches one file."""

from wxiai_otel._business import BusinessTelemetry
from wxiai_otel.http import _websocket
from wxiai_otel.users import _activity
from wxiai_otel.users._periods import Calendar
from wxiai_otel.users._sketch import BITS, BYTES, Bitmap, common, estimate, position, united
