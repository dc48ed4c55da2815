"""``python -m training``."""

from validate.interrupts import stop_quietly

stop_quietly()

from training.cli import main  # noqa: E402 - slow to import, so Ctrl-C is seen to first

main()
