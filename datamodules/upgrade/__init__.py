"""Old names and new ones, so that what was kept or typed before a rename is still read."""
