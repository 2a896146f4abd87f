"""Checks derivatives against finite differences: of the engine's ops, and of the user's own. Begin with `check`."""

from minigan.gradcheck.check import gradcheck
from minigan.gradcheck.lift import lift
from minigan.gradcheck.report import gradcheck_report
from minigan.gradcheck.verdict import GradcheckError

__all__ = ["GradcheckError", "gradcheck", "gradcheck_report", "lift"]
