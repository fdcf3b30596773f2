"""`python -m histopress` is the `histopress` command."""

from histopress.cli import main

main()
