"""Scripts of other libraries, each doing the work of an experiment without this project.

`experiments.speed.comparison.against` runs them with the interpreter of their own environment, as
`PYTHON -I SCRIPT JOB`, where JOB is a JSON file. The last line that a script prints is its
result, JSON with `seconds`, `parameters` or another size, and `loss` or `accuracy`. With
`--versions` it prints the versions of its libraries.
"""
