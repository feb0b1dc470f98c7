"""From one patient to thousands: tables of cases, their engine, and what comes out of it."""
