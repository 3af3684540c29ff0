"""Agents that learn in ``rlenv``, judged in money on days nobody trained on."""
