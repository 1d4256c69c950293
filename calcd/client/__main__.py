import sys

from calcd.client.program.main import main

sys.exit(main())
