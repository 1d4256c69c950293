from calcd.supervisor.main import main

raise SystemExit(main())
