"""Lets torchvision import beside a torch without CUDA; put this folder on PYTHONPATH of the vLLM test environment.

The usual x86-64 wheel of torchvision is linked against CUDA. Without it, its operators are missing, and importing it
fails on those whose shape functions it registers unconditionally. Declaring them is enough: vLLM and transformers only
resize with torchvision. Where the operators are there, nothing is changed.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

OPERATORS = ("nms", "qnms")
DECLARED = []  # a declaration lasts as long as its object


class DeclareMissingOperators(MetaPathFinder):
    """Steps in just before torchvision registers its shape functions; finds nothing itself."""

    def find_spec(self, fullname, path, target=None):
        if fullname == "torchvision._meta_registrations":
            import torch
            from torchvision import extension

            if not extension._has_ops():
                declared = torch.library.Library("torchvision", "DEF")
                for name in OPERATORS:
                    declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                DECLARED.append(declared)


sys.meta_path.insert(0, DeclareMissingOperators())
