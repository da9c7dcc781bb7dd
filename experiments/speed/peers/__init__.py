"""What people would use instead, each in a script that imports nothing of this project.

`experiments.speed.comparison.against` runs them with the interpreter of their own environment, as
`PYTHON -I SCRIPT JOB`, where JOB is a JSON file. The last line that a script prints is its
result, JSON with `seconds`, `parameters` or another size, and `loss` or `accuracy`. With
`--versions` it prints the versions of its libraries.
"""
