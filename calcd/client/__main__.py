import sys

from calcd.client.main import main

sys.exit(main())
