"""Asks the C library to keep what was freed, instead of handing it back to the system."""

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Makes freed memory stay with this process, for the next tensor.

    A training step makes and frees the same large tensors over and over. glibc maps each from the
    system and unmaps it, and the system clears its pages anew: on 2 cores that took a tenth of
    a step of MiniLM. Call it before TensorFlow starts its threads. What the process needs at its
    peak hardly changes; it gives nothing back until it ends, so it is for commands, not libraries.

    Returns:
        Whether it could be done: under glibc, which is on most Linux systems.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_ARENA_MAX, 1)
    return True
