"""Which exposition a scrape asks for."""

from collections.abc import Callable

from prometheus_client.exposition import choose_encoder

Encode = Callable[..., bytes]


def encoder(accept: str) -> tuple[Encode, str]:
    """The encoder and its content type for an Accept header; Prometheus' text format where that makes no sense.

    Parameters:
        accept: As the client has sent it.
    """
    try:
        chosen: tuple[Encode, str] = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        chosen = choose_encoder("")
    return chosen
