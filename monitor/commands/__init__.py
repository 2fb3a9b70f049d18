"""Groups of sub-commands of the command line, one file per group; `monitor.cli` puts them under their names."""
