"""Ctrl-C is an interrupt in every test: a shell starts what it runs in the background with it ignored."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
