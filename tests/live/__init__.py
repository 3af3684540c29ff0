"""Whole ways through the house, against the real Home Assistant."""
