"""Is a day of facts fit for learning and replay? Checks that say why not, and repairs.

    validate    every local day becomes clean, mask_battery or exclude, with counts and reasons
    repair      puts right what can be put right without inventing energy; can be undone

Checks are pure functions of one day of arrays (``window.Day``), a file for each family:

    missing     slots without a number, readings that stood still
    values      spikes, slips of unit, PV at night, a dark day
    soc         range and jumps of the state of charge
    balance     the house's energy balance and the battery's own, and who is to blame
    compare     hourly sums against Home Assistant's

What lowers a class: anything wrong with load, PV, import or export makes ``exclude``; anything
wrong with the battery alone ``mask_battery``; the car, the water heater and lesser oddities are
told and leave the day ``clean``. A channel that is not configured is not looked at.
"""
