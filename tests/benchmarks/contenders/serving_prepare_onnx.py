"""Writes MiniLM with a classification head as ONNX, and compares its answers with PyTorch's."""

from typing import Any

from common import import_torch, run_contender

OPSET = 18
TOLERANCE = 1e-4


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Writes `model.onnx` in the folder `place`, for any batch and length."""
    torch = import_torch(order["threads"])
    import onnxruntime
    from serving_torch import load_model

    model = load_model(order["preset"])
    ids = torch.randint(1000, 2000, (2, 16))
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": torch.zeros_like(ids),
    }
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    path = f"{order['place']}/model.onnx"
    torch.onnx.export(
        model,
        kwargs=inputs,
        f=path,
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes=dict.fromkeys(inputs, free),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # Another batch and length than it was traced with.
    other = {name: values[:1, :9] for name, values in inputs.items()}
    with torch.inference_mode():
        expected = model(**other).logits.numpy()
    (answered,) = session.run(None, {name: values.numpy() for name, values in other.items()})
    difference = float(abs(answered - expected).max())
    assert difference < TOLERANCE, f"ONNX Runtime differs from PyTorch by {difference}"
    return {"difference": difference}


if __name__ == "__main__":
    run_contender(contend)
