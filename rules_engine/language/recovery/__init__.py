"""What to make of a mistake: say what is wrong, in one finding, and go on behind it.

The parser's loop (`machine.py`) stops at a token that does not fit and asks `Recovery.recover`. The
first of these that applies decides:

1. a known slip is named and mended (`repairs.py`, with a module for each kind of slip and the tables
   of `slips.py`), and reading goes on as if it were right;
2. a bracket or a text that was never closed is reported where it should end, with its opening
   (`unclosed.py`);
3. what is missing is reported where it is missing (`missing.py`);
4. a misspelled word is read as the nearest that fits, and everything else is reported as it stands
   (`unfit.py`).

Where nothing could be mended, all up to the next clause or declaration is skipped (`place.py`), and
what was begun is left out of the tree: a mistake costs one clause, and is never reported twice. What
is left out is listed in `File.broken`, so that the checks do not complain of what stood there.
"""

from rules_engine.language.recovery.codes import MISSING, UNCLOSED, UNEXPECTED, UNKNOWN_WORD
from rules_engine.language.recovery.decision import Recovery

__all__ = ["MISSING", "UNCLOSED", "UNEXPECTED", "UNKNOWN_WORD", "Recovery"]
