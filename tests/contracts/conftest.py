import pytest

from minigan.ops import convolution


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    """Convolutions image by image, or two by two, as they are for large images."""
    monkeypatch.setattr(convolution, "CHUNK", 16)
