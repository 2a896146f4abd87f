"""Layers, and `nn.init` with their initial values."""

from minigan.nn import init
from minigan.nn.activations import ELU, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from minigan.nn.dense import Dense
from minigan.nn.dropout import Dropout
from minigan.nn.module import Module, Sequential
from minigan.nn.shape import Flatten, Reshape

__all__ = [
    "ELU",
    "Dense",
    "Dropout",
    "Flatten",
    "LeakyReLU",
    "Module",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
]
