"""The dashboards as Python; ``python -m dashboards.build`` writes the JSON that is committed beside it.

One file per dashboard: which questions it answers, with which queries. `panels` and `looks` hold how every panel looks,
`limits` the values from which on something is not well (those of the alert rules), `board` the variables, links and
annotations all dashboards share. No part of the monitor at run time.
"""
