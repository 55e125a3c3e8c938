"""Multiplies float32 matrices in one library: the machine's own peak."""

import time
from collections.abc import Callable
from typing import Any

from common import import_tensorflow, import_torch, run_contender, versions


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """The best rate of some seconds, in GFLOP/s; the first product is not counted."""
    library = order["library"]
    multiply = {"numpy": with_numpy, "tensorflow": with_tensorflow, "torch": with_torch}[library](
        order["size"], order["threads"]
    )
    multiply()
    times = []
    end = time.perf_counter() + order["seconds"]
    while time.perf_counter() < end:
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    return {"gflops": 2 * order["size"] ** 3 / min(times) / 1e9, "versions": versions(library)}


def with_numpy(size: int, threads: int) -> Callable[[], Any]:
    """NumPy reads the number of threads from the environment."""
    import numpy as np

    a, b = np.random.default_rng(0).random((2, size, size), "float32")
    return lambda: a @ b


def with_tensorflow(size: int, threads: int) -> Callable[[], Any]:
    """Waits for the product by reading one number of it."""
    tf = import_tensorflow(threads)
    a, b = tf.random.uniform((2, size, size))
    return lambda: tf.matmul(a, b)[0, 0].numpy()


def with_torch(size: int, threads: int) -> Callable[[], Any]:
    """On the CPU the product is there when the call returns."""
    torch = import_torch(threads)
    a, b = torch.rand(2, size, size)
    return lambda: a @ b


if __name__ == "__main__":
    run_contender(contend)
