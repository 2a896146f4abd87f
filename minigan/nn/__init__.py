"""Layers, `nn.init` with their initial values, and the running average of a network."""

from minigan.nn import init
from minigan.nn.activations import ELU, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from minigan.nn.convolution import Conv2d, ConvTranspose2d
from minigan.nn.dense import Dense
from minigan.nn.dropout import Dropout
from minigan.nn.embedding import Embedding
from minigan.nn.minibatch import MinibatchDiscrimination
from minigan.nn.module import Module, Sequential, eval_mode
from minigan.nn.moving_average import MovingAverage
from minigan.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, VirtualBatchNorm, WithReference
from minigan.nn.pooling import AvgPool2d, MaxPool2d, Upsample
from minigan.nn.shape import Flatten, Reshape
from minigan.nn.spectral_norm import SpectralNorm

__all__ = [
    "ELU",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2d",
    "MinibatchDiscrimination",
    "Module",
    "MovingAverage",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "Upsample",
    "VirtualBatchNorm",
    "WithReference",
    "eval_mode",
    "init",
]
