"""Aurora: what the house and the roof will do next, and how sure that is.

Floor 2: receives arrays and ``telemetry`` objects, returns arrays. Reads no clock, file,
network or environment variable; whoever calls cuts the history at the issue time.
"""
