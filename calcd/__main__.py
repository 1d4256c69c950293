"""python -m calcd: the daemon, run from its tree."""

from calcd.launch.main import main

raise SystemExit(main())
