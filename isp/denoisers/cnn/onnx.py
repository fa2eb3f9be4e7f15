"""The network as an ONNX file, and ONNX Runtime as an engine: optional, ``pip install "isp[onnx]"``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.atomic import atomic_file
from isp.denoisers.cnn.network import PLANES, Layer
from isp.denoisers.cnn.trained import Trained
from isp.errors import DenoiserError

Array = NDArray[np.float32]

_OPSET = 17
_INPUT, _OUTPUT = "packed", "clean"


class OnnxEngine:
    """ONNX Runtime on what `export` writes; one thread for each call, as the host has threads of its own."""

    def __init__(self, trained: Trained) -> None:
        runtime = _imported("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        model = exported(trained).SerializeToString()
        self._session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, packed: Array) -> Array:
        """Return scaled and stabilised planes, (height, width, 4), without their noise."""
        (clean,) = self._session.run([_OUTPUT], {_INPUT: packed.transpose(2, 0, 1)[None]})
        return np.ascontiguousarray(clean[0].transpose(1, 2, 0))


def export(trained: Trained, path: str | os.PathLike[str]) -> None:
    """Write the network as an ONNX file: (1, 4, height, width) to the same, both sides multiples of 4.

    Raises
    ------
    WriteError
        If `path` exists.
    """
    content = exported(trained).SerializeToString()
    with atomic_file(path) as file:
        file.write(content)


def exported(trained: Trained) -> Any:
    """Return the network as an ONNX model: what it makes of scaled and stabilised planes is these without noise."""
    onnx = _imported("onnx")
    make = onnx.helper
    nodes, held, at = [], [], _INPUT
    for layer in trained.network:
        if layer.size == 2:
            held.append(at)
        nodes.append(_convolution(make, layer, at))
        at = layer.name
        if layer.relu:
            nodes.append(make.make_node("Relu", [at], [f"{at}.relu"]))
            at = f"{at}.relu"
        if layer.size == 1:
            shuffled = f"{at}.shuffled"
            nodes.append(make.make_node("DepthToSpace", [at], [shuffled], blocksize=2, mode="CRD"))
            nodes.append(make.make_node("Add", [shuffled, held.pop()], [f"{at}.added"]))
            at = f"{at}.added"
    nodes.append(make.make_node("Sub", [_INPUT, at], [_OUTPUT]))
    ends = [
        make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, PLANES, "height", "width"])
        for name in (_INPUT, _OUTPUT)
    ]
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in trained.arrays.items()]
    graph = make.make_graph(nodes, "isp-cnn", ends[:1], ends[1:], weights)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], ir_version=8, producer_name="isp")
    make.set_model_props(model, {"scale": str(float(trained.scale)), "card": trained.card})
    onnx.checker.check_model(model)
    return model


def _convolution(make: Any, layer: Layer, source: str) -> Any:
    stride, pad = 2 if layer.size == 2 else 1, 1 if layer.size == 3 else 0
    names = [source, f"{layer.name}.weight", f"{layer.name}.bias"]
    return make.make_node("Conv", names, [layer.name], strides=[stride] * 2, pads=[pad] * 4)


def _imported(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise DenoiserError(f'the engine "onnx" needs {name}: pip install "isp[onnx]"') from error
