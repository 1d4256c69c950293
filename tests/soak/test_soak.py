"""Ten seconds of make soak."""

from pathlib import Path

from soak.run import Soak


def test_every_answer_is_right_whatever_happens_and_nothing_is_left_behind(tmp_path: Path) -> None:
    print(Soak(tmp_path, seed="check").run(seconds=10))
