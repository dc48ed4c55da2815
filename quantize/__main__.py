"""``python -m quantize``."""

from validate.interrupts import stop_quietly

stop_quietly()

from quantize.cli import main  # noqa: E402 - slow to import, so Ctrl-C is seen to first

main()
