"""Decorating functions of every kind: what is begun with a call ends when its result is there."""

import functools
import inspect
from asyncio import isfuture
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Token
from typing import Any, Protocol, TypeVar

from opentelemetry.context import Context, attach

from .._guard import guarded

F = TypeVar("F", bound=Callable[..., Any])


class Call(Protocol):
    """A call under way. What it does may raise only where the setting strict wants it."""

    context: Context | None

    def succeed(self, result: Any) -> None:
        """The function has returned, or the generator is exhausted."""

    def fail(self, error: BaseException) -> None:
        """The function has raised, or was cancelled."""


Begin = Callable[[tuple[Any, ...], dict[str, Any]], Call | None]


def is_function(value: object) -> bool:
    """Return whether `observed` accepts a value. It does not accept e.g. a property."""
    return callable(value) or isinstance(value, classmethod)


def observed(function: F, begin: Begin) -> F:
    """A function that does what the given one does, and tells of each of its calls.

    Parameters:
        function: A function, coroutine function, generator function of either kind, or a class' or static method.
        begin: Is told the arguments, before anything is done; ``None``: this call is not to be told of.
    """
    if isinstance(function, staticmethod | classmethod):
        method: Any = type(function)(observed(function.__func__, begin))
        return method  # type: ignore[no-any-return] # a method of the kind given
    decorated: Any = functools.wraps(function)(_kind(function)(function, begin))
    return decorated  # type: ignore[no-any-return] # of the same signature


def _kind(function: Callable[..., Any]) -> Callable[[Any, Begin], Any]:
    if inspect.iscoroutinefunction(function):
        return _coroutine
    if inspect.isasyncgenfunction(function):
        return _async_generator
    if inspect.isgeneratorfunction(function):
        return _generator
    return _plain


def _plain(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs)
        token = _enter(call)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _fail(call, error)
            raise
        finally:
            _leave(token)
        return result if call is None else _followed(result, call)

    return call


def _coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs)
        token = _enter(call)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            _fail(call, error)
            raise
        finally:
            _leave(token)
        _succeed(call, result)
        return result

    return call


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs)
        generator = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(generator.asend, None)
        try:
            while True:
                # The call's context is current while the generator runs, not while its consumer does.
                token = _enter(call)
                try:
                    item = await step()
                except StopAsyncIteration:
                    break
                finally:
                    _leave(token)
                try:
                    step = functools.partial(generator.asend, (yield item))
                except GeneratorExit:
                    token = _enter(call)
                    try:
                        await generator.aclose()
                    finally:
                        _leave(token)
                    raise
                except BaseException as error:  # noqa: BLE001 - what is thrown in goes to the generator
                    step = functools.partial(generator.athrow, error)
        except BaseException as error:
            _fail(call, error)
            raise
        _succeed(call, None)

    return call


def _generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs)
        generator = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(generator.send, None)
        try:
            while True:
                token = _enter(call)
                try:
                    item = step()
                except StopIteration as stop:
                    result = stop.value
                    break
                finally:
                    _leave(token)
                try:
                    step = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    token = _enter(call)
                    try:
                        generator.close()
                    finally:
                        _leave(token)
                    raise
                except BaseException as error:  # noqa: BLE001 - what is thrown in goes to the generator
                    step = functools.partial(generator.throw, error)
        except BaseException as error:
            _fail(call, error)
            raise
        _succeed(call, result)
        return result

    return call


def _followed(result: Any, call: Call) -> Any:
    """What a plain function has returned may only begin the work: wrappers of coroutines do."""
    for is_begun, kind in (
        (inspect.iscoroutine, _coroutine),
        (inspect.isasyncgen, _async_generator),
        (inspect.isgenerator, _generator),
    ):
        if is_begun(result):
            return kind(lambda: result, lambda *_: call)()
    if isfuture(result) or isinstance(result, Future):
        result.add_done_callback(lambda future: _settled(future, call))
    else:
        call.succeed(result)
    return result


def _settled(future: Any, call: Call) -> None:
    try:
        result = future.result()
    except BaseException as error:  # noqa: BLE001 - it is for whoever awaits the future
        call.fail(error)
    else:
        call.succeed(result)


def _succeed(call: Call | None, result: Any) -> None:
    if call is not None:
        call.succeed(result)


def _fail(call: Call | None, error: BaseException) -> None:
    if call is not None:
        call.fail(error)


_attach = guarded("call.attach")(attach)


def _enter(call: Call | None) -> Token[Context] | None:
    return None if call is None or call.context is None else _attach(call.context)


def _leave(token: Token[Context] | None) -> None:
    if token is not None:
        with suppress(ValueError):  # closed from another context, where ours is not current anyway
            token.var.reset(token)
