"""Statistics of result tables: intervals, pairwise tests, groups, calibration.

`calibration`, `groups`, `intervals` and `pairs` are functions on arrays. `correct` is always
bool[S, N]: whether the run of seed s classified review n correctly. `table.analyse` computes all
statistics of a table, `comparison` those of two benchmarks, `subsets` accuracies on parts of the
test split.
"""
