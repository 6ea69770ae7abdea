"""Tests of rules: scenarios run on a virtual clock, over the step that the daemon runs."""
