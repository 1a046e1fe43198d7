"""A program that keeps a file open and writes when it is told to: one line on its input is one block of bytes."""

from __future__ import annotations

import os
import sys


def main() -> None:
    fd = os.open(os.fsencode(sys.argv[1]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("open", flush=True)
    for line in sys.stdin:
        os.write(fd, line.strip().encode())
        print("written", flush=True)
    os.close(fd)
    print("closed", flush=True)


if __name__ == "__main__":
    main()
