"""Tests of day quality."""
