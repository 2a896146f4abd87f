"""Checks derivatives against finite differences: of the engine's ops, and of the user's own."""

from minigan.gradcheck.comparison import GradcheckError, gradcheck, gradcheck_report

__all__ = ["GradcheckError", "gradcheck", "gradcheck_report"]
