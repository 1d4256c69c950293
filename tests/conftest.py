import pytest

# Their assertions explain themselves as those in the tests do.
pytest.register_assert_rewrite("support")
