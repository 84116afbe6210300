"""Merge, quantize and run PVIT and LLaMA models.

model = pvit.Model("pvit.pvq", memory="2GiB")
for piece in model.chat("What is in {left}?", image="dogs.jpg", regions={"left": (20, 80, 310, 366)}):
    print(piece, end="", flush=True)
"""

from . import _interpreter  # noqa: F401 (before NumPy)
from ._files import Tensors, export, inspect, merge, open, quantize, torch_state_dict, verify  # noqa: A004
from ._library import Cancelled, Error, function
from ._model import Answer, Image, Model

__version__ = function("version_text")().decode()

__all__ = [
    "Answer",
    "Cancelled",
    "Error",
    "Image",
    "Model",
    "Tensors",
    "export",
    "inspect",
    "merge",
    "open",
    "quantize",
    "torch_state_dict",
    "verify",
]
