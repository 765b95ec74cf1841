"""Bad days, on purpose: kills, flipped bits, full disks, hostile input. `make torture`."""
