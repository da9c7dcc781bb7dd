"""Statistics of the table: intervals, pairwise tests, groups, calibration.

All but `table` and `reading` are pure functions on arrays.
`correct` is always bool[S, N]: whether the run of seed s is right about review n. `analyse` puts
all of it together for the rows of a table.
"""
