"""The dashboards as code, in the order in which they are listed: ``scripts/dashboards --generate`` writes their JSON."""

from . import business, cache, database, http, pipeline, security, slo
from ._build import Board

BOARDS: tuple[Board, ...] = tuple(module.BOARD for module in (business, http, database, cache, security, slo, pipeline))
