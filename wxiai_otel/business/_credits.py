"""Credits: consumed, refunded and bought."""

import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from opentelemetry.context import Context

from .._guard import guarded
from ._calls import is_function, observed
from ._inputs import checked, refuse, resolved
from ._process import Business, current
from ._words import InvalidInput, class_name, is_cancellation, number_of, shown, word

F = TypeVar("F", bound=Callable[..., Any])

OPERATIONS = CONSUME, REFUND, PURCHASE = ("consume", "refund", "purchase")
COMPONENT = "credits_system"

_AMOUNTS = "a finite number of credits of at least 0"


def monitor_credits_operation(
    operation: str,
    *,
    amount: object | Callable[..., object] = None,
    balance: Callable[[Any], object] | None = None,
    service: str | Callable[..., object] | None = None,
    user_role: str | Callable[..., object] | None = None,
) -> Callable[[F], F]:
    """Decorate a function, sync or async, that moves credits. The operation is counted when the call completes.

    An exception counts in ``application_errors_total`` with the component ``credits_system``, not as an operation, and
    is raised unchanged. A cancelled call is neither an operation nor an error.

    Parameters:
        operation: consume, refund or purchase.
        amount: Credits, or a callable that takes the arguments of the call; by default the argument named ``amount``.
            Without one, only the operation is counted.
        balance: For consume: a callable that returns the remaining balance for the result of the call; by default the
            attribute or item ``credit`` of the result.
        service: The service that the credits are for, or a callable that takes the arguments of the call. One of the
            setting ai_services; anything else is ``other``.
        user_role: The role, or a callable that takes the arguments of the call; by default the role of the current
            request's user.

    Raises:
        ValueError: Under pytest or with the setting strict: the operation is another word. Otherwise a warning is
            logged, and the function stays undecorated. The decorated function also raises it, before it does anything,
            if the amount is negative, not finite or no number. Otherwise a warning is logged, and the operation is
            counted without its amount.
    """
    if (allowed := _allowed_operation(operation)) is None:
        # Without parentheses, `operation` is the decorated function.
        return operation if callable(operation) else _undecorated
    find_balance = balance if callable(balance) else None
    if balance is not None and find_balance is None:
        message = f"`balance` must be a function of the result, got {shown(balance)}"
        refuse("monitor_credits_operation", InvalidInput(message, "balance"))

    def decorate(function: F) -> F:
        if not is_function(function):
            refuse("monitor_credits_operation", InvalidInput("the decorated object must be a function", "function"))
            return function
        find_amount = amount if amount is not None else _argument_named_amount(function)

        @checked("monitor_credits_operation", "credits.begin")
        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Operation | None:
            business = current()
            if business is None:
                return None
            options = {"amount": find_amount, "service": service, "user_role": user_role}
            given, label, role = [resolved(name, option, args, kwargs) for name, option in options.items()]
            moved = _allowed_amount("monitor_credits_operation", "amount", given)
            service_label, role_label = word(label, "service"), word(role, "user_role")
            return _Operation(business, allowed, moved, service_label, role_label, find_balance)

        return observed(function, begin)

    return decorate


class _Operation:
    """An operation under way: a `Call`."""

    context: Context | None = None

    def __init__(
        self,
        business: Business,
        operation: str,
        amount: float | None,
        service: object,
        user_role: object,
        balance: Callable[[Any], object] | None,
    ) -> None:
        self._business = business
        self._operation = operation
        self._amount = amount
        self._service = service
        self._role = user_role
        self._balance = balance

    @guarded("credits.succeed")
    def succeed(self, result: Any) -> None:
        """See `Call.succeed`."""
        left = self._left(result) if self._operation == CONSUME else None
        _count(self._business, self._operation, self._amount, left, self._service, self._role)

    @checked("monitor_credits_operation", "credits.balance")
    def _left(self, result: Any) -> float | None:
        return number_of(
            _credit_of(result) if self._balance is None else resolved("balance", self._balance, (result,), {})
        )

    @guarded("credits.fail")
    def fail(self, error: BaseException) -> None:
        """See `Call.fail`."""
        if is_cancellation(error):
            return
        self._business.instruments["application.errors"].record(1, (class_name(error), COMPONENT))


@checked("record_credits", "credits.record")
def record_credits(
    operation: str,
    amount: float | Decimal | None = None,
    *,
    balance: float | Decimal | None = None,
    service: str | None = None,
    user_role: str | None = None,
) -> None:
    """Count a completed credits operation.

    Parameters:
        operation: consume, refund or purchase.
        amount: Credits moved; ``None`` counts only the operation.
        balance: For consume: the remaining credits.
        service: The service that the credits are for: one of the setting ai_services; anything else is ``other``.
        user_role: By default the role of the current request's user.

    Raises:
        ValueError: Under pytest or with the setting strict: the operation is another word, or the amount or balance is
            negative, not finite or no number. Otherwise a warning is logged: an unknown operation is not counted, and
            an operation is counted without an invalid amount or balance.
    """
    allowed = _operation(operation)
    business = current()
    if business is None:
        return
    moved = _allowed_amount("record_credits", "amount", amount)
    left = _allowed_amount("record_credits", "balance", balance)
    _count(business, allowed, moved, left, service, user_role)


def _operation(operation: object) -> str:
    found = word(operation, "operation")
    if found not in OPERATIONS:
        raise InvalidInput(f"`operation` must be one of {', '.join(OPERATIONS)}, got {shown(operation)}", "operation")
    return found


def _allowed_operation(operation: object) -> str | None:
    try:
        return _operation(operation)
    except InvalidInput as invalid:
        refuse("monitor_credits_operation", invalid)
        return None


def _undecorated(function: F) -> F:
    return function


def _allowed_amount(helper: str, name: str, value: object) -> float | None:
    number = number_of(value)
    if number is None and value is not None:
        refuse(helper, InvalidInput(f"`{name}` must be {_AMOUNTS}, got {shown(value)}", name))
    return number


def _count(
    business: Business, operation: str, amount: float | None, balance: float | None, service: object, user_role: object
) -> None:
    instruments = business.instruments
    role = business.role(user_role)
    label = None if service is None else business.service(service)
    instruments["credits.operations"].record(1, (operation, role))
    if amount is not None:
        if operation == CONSUME:
            instruments["credits.consumed"].record(amount, (label,))
        elif operation == PURCHASE:
            instruments["credits.purchased"].record(amount)
    if operation == CONSUME and balance is not None:
        instruments["user.credits.balance"].record(balance)


def _argument_named_amount(function: Any) -> Callable[..., object] | None:
    """What finds the argument named amount in a call; ``None`` where the function has none."""
    try:
        signature = inspect.signature(getattr(function, "__func__", function))
    except Exception:  # noqa: BLE001 - C functions may have no signature, and an object may raise anything
        return None
    parameters = signature.parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if "amount" not in parameters and not takes_any:
        return None

    def find(*args: Any, **kwargs: Any) -> object:
        if "amount" in kwargs or "amount" not in parameters:
            return kwargs.get("amount")
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the function says so itself
            return None
        bound.apply_defaults()
        return bound.arguments["amount"]

    return find


def _credit_of(result: Any) -> object:
    return result.get("credit") if isinstance(result, Mapping) else getattr(result, "credit", None)
