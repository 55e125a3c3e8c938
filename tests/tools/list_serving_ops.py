"""Writes the list of operations that TensorFlow Serving 2.12 has.

Servers are not to be asked, so it is made of what they are built from: TensorFlow's operations
that have a kernel for the CPU, without those that call back into Python, and the operations of the
TensorFlow Text libraries that servers link. Run in an environment of its own:

    python3.11 -m venv tf212
    tf212/bin/pip install "tensorflow-cpu==2.12.*" "numpy<1.24"
    tf212/bin/pip install --no-deps tensorflow-text==2.12.1
    tf212/bin/python tests/tools/list_serving_ops.py > tfft/serving/ops.txt
"""

import importlib.metadata
import runpy
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import kernel_def_pb2, op_def_pb2
from tensorflow.python.client import pywrap_tf_session as session

PROBE = Path(__file__).parents[2] / "tfft" / "serving" / "probe.py"
IN_PYTHON = {"EagerPyFunc", "PyFunc", "PyFuncStateless"}


def operations() -> set[str]:
    """All registered operations."""
    registered = session.TF_GetBuffer(session.TF_GetAllOpList())
    return {op.name for op in op_def_pb2.OpList.FromString(registered).op}


def operations_with_kernel() -> set[str]:
    """Those that the CPU can compute; the rest are for tests, TPUs and GPUs."""
    registered = session.TF_GetBuffer(session.TF_GetAllRegisteredKernels())
    kernels = kernel_def_pb2.KernelList.FromString(registered).kernel
    return {kernel.op for kernel in kernels if kernel.device_type in ("CPU", "DEFAULT")}


def main() -> None:
    """Prints the list."""
    core = operations()
    names = core & operations_with_kernel() - IN_PYTHON
    runpy.run_path(str(PROBE))["load_text_operations"]()
    names |= operations() - core
    text = importlib.metadata.version("tensorflow-text")
    print(f"# Operations of TensorFlow {tf.__version__} on CPU, and of the TensorFlow Text {text}")
    print("# libraries that TensorFlow Serving links. Made by tests/tools/list_serving_ops.py.")
    print("\n".join(sorted(names)))


if __name__ == "__main__":
    main()
