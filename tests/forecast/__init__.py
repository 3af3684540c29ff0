"""Tests of the forecast floor."""
