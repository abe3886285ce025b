"""Variables that Kubernetes and Docker set for each service beside a container."""

import re
from collections.abc import Mapping
from ipaddress import ip_address

_DIGITS = 5  # of a port
_SLASHES = 2  # of /container/alias
_OF_PORT = re.compile(r"_PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)(_ADDR|_PORT|_PROTO|)\Z")


def is_service_link(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether Kubernetes or a Docker link has set a variable, as both do for each service beside a container.

    Name and value decide together: ``WXIAI_BRIDGE_PORT=tcp://10.96.7.7:9095`` is a link to a Service ``wxiai-bridge``,
    ``WXIAI_BRIDGE_PORT=9095`` is not. See
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.

    Parameters:
        name: The variable's name.
        environ: The environment that contains it.
    """
    value = environ[name].strip()
    of_port = _OF_PORT.search(name)
    return (
        (of_port is not None and _OF_PORT_VALUE[of_port[1]](value))
        or (name.endswith("_SERVICE_HOST") and _is_address(value))
        or (f"{name}_".find("_SERVICE_PORT_") > 0 and _is_port(value))
        or (name.endswith("_PORT") and _is_url(value))
        or _is_docker_link(name, environ)
    )


def _is_docker_link(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether it is ``<ALIAS>_NAME=/container/alias`` or ``<ALIAS>_ENV_<NAME>`` beside another link."""
    if name.endswith("_NAME") and _is_container(environ[name]):
        return True
    alias, separator, _ = name.partition("_ENV_")
    return bool(separator) and (
        _is_url(environ.get(f"{alias}_PORT", "")) or _is_container(environ.get(f"{alias}_NAME", ""))
    )


def _is_container(value: str) -> bool:
    """Return whether a value is like ``/container/alias``."""
    return value.startswith("/") and value.count("/") == _SLASHES


def _is_url(value: str) -> bool:
    """Return whether a value is like ``tcp://10.96.7.7:9095``."""
    protocol, _, rest = value.partition("://")
    host, _, port = rest.rpartition(":")
    return _is_protocol(protocol) and _is_address(host) and _is_port(port)


def _is_protocol(value: str) -> bool:
    return value in {"tcp", "udp", "sctp"}


def _is_port(value: str) -> bool:
    return len(value) <= _DIGITS and value.isdecimal()


def _is_address(value: str) -> bool:
    try:
        ip_address(value.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


_OF_PORT_VALUE = {"": _is_url, "_ADDR": _is_address, "_PORT": _is_port, "_PROTO": _is_protocol}
