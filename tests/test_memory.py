"""Freed memory is used again without asking the system."""

import platform

import pytest

COUNT_PAGES = """
import resource
import numpy as np
from tfft.memory import keep_freed_memory

assert {call}
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 * 2**20, "uint8")
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
print(pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for glibc alone")
@pytest.mark.parametrize(("call", "keeps"), [("keep_freed_memory()", True), ("True", False)])
def test_a_freed_block_is_used_again(run_python, call, keeps):
    done = run_python("-c", COUNT_PAGES.format(call=call))
    assert done.returncode == 0, done.stderr
    assert (int(done.stdout) < 20) == keeps


def test_elsewhere_nothing_is_done(monkeypatch):
    from tfft import memory

    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False
