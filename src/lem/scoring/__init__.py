"""How answers become numbers without asking anybody: scorers, readings of a number, signs. Pure."""
