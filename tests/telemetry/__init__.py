"""Tests of the facts: time, store and imports."""
