"""Detection of abuse, on by default."""

from ._clients import Clients
from ._detector import Detector

__all__ = ["Clients", "Detector"]
