"""One thread for linear algebra: matrices of our size are done before a second thread has been woken."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy  # noqa: F401 - the libraries that it loads are those to be found
from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")

_LIBRARIES = ThreadpoolController()


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run with one BLAS thread; the process has its own number again afterwards.

    With two threads on two busy cores a fit of 200 items took four to a hundred times as long (`python -m bench.fit
    --quick`), because each waits for the other by spinning. Costs 13 us a call.
    """

    @functools.wraps(function)
    def narrow(*args: P.args, **kwargs: P.kwargs) -> R:
        with _LIBRARIES.limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return narrow
