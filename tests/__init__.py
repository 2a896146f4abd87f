"""minigan's tests: a mirror of minigan/ and demos/, folder by folder."""

import os

# As in demos/__init__.py: the matrices are small, and the second core is for the demos that run beside the tests. NumPy reads
# this when it is first imported, which is after this line.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
