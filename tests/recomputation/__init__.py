"""Every published figure, computed once more from the published files with numpy and scipy alone.

Written from docs/statistics.md and docs/protocol.md. Nothing here imports the code whose figures it
checks; the tests themselves do, to make tables and to compare what no page prints.
"""
