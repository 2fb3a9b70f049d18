"""``python -m monitor`` is ``emuwatch``."""

from monitor.cli import main

main()
