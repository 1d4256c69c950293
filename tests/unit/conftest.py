from hypothesis import settings

# No deadline: nothing here is about speed. No database: a run does not depend on an earlier one.
settings.register_profile("calcd", deadline=None, database=None)
settings.load_profile("calcd")
