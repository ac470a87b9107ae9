"""One iteration as pure functions: observe, judge, propose, guard, decide, and the fold over it."""
