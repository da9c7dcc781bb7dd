"""Models that write one string for another: letters to phones."""
