"""Home Assistant as a source of facts: its statistics, its states and their history.

with HomeAssistant(url, token) as ha:
    rows = ha.statistics(["sensor.load_total"], start, end, period="hour", now=now)
"""
