"""Made-up verdicts, and the bounds that they break."""

from demos.checking.engines import judge
from demos.checking.verdicts import LEAK, OK, RAISES, WRONG, Verdict

found = [[Verdict("minigan", "sin", status) for status in statuses] for statuses in ((OK,), (WRONG, LEAK, RAISES))]
FAULTS = [(judge, {}, *(({"minigan": "1.0"}, verdicts) for verdicts in found))]
