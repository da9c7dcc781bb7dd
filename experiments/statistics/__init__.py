"""Statistics of result tables: intervals, pairwise tests, groups, ranks, calibration.

`calibration`, `groups`, `intervals`, `pairwise_tests`, `ranks`, `seeds`, `sign_flip` and `totals`
are functions on arrays. `correct` is always bool[S, N]: whether the run of seed s classified review
n correctly; `groups`, int[N], is the movie of each review, or None if each row is alone.
`table.analyse` computes all statistics of a table, `comparison` those of two benchmarks, `subsets`
accuracies on parts of the test split. `simulation` checks the methods on simulated tables.
"""
