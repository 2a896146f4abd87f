"""Training data: mixtures in the plane, noise, images, your own pictures, minibatches. All but noise are NumPy arrays."""

from minigan.data.cifar10_files import cifar10
from minigan.data.downloads import DataError
from minigan.data.glyph_images import glyphs
from minigan.data.image_files import images
from minigan.data.minibatches import batches
from minigan.data.mixtures import grid, grid_centres, ring, ring_centres
from minigan.data.mnist_files import mnist
from minigan.data.priors import lerp, noise, slerp
from minigan.data.scene_images import scenes
from minigan.data.shares import share, shared_noise

__all__ = [
    "DataError",
    "batches",
    "cifar10",
    "glyphs",
    "grid",
    "grid_centres",
    "images",
    "lerp",
    "mnist",
    "noise",
    "ring",
    "ring_centres",
    "scenes",
    "share",
    "shared_noise",
    "slerp",
]
