"""The command line: finds the verb, runs it, and tells what went wrong; the verbs stand in `verbs`."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import tyro
from tyro.conf import FlagCreatePairsOff

from histopress.core.errors import HistopressError, RecipeError
from histopress.verbs import STUDIES, VERBS, Given, Verb


def overview() -> str:
    """The help text of the program itself."""
    return (
        "usage: histopress VERB [OPTIONS]\n\n"
        "Whole-slide images and one label per slide -> a classifier that can be trusted.\n\n"
        f"verbs, in the order of the path:\n{_listed(VERBS)}\n"
        f"  {'study':<13} the low-signal studies, and how good encoders are\n\n"
        "histopress VERB --help tells the options of a verb; histopress --version the version."
    )


def studies() -> str:
    """The help text of the verb `study`."""
    return (
        f"usage: histopress study NAME [OPTIONS]\n\nstudies:\n{_listed(STUDIES)}\n\n"
        "histopress study NAME --help tells the options of a study."
    )


def _listed(verbs: dict[str, Verb]) -> str:
    return "\n".join(f"  {name:<13} {summary}" for name, (_, summary) in verbs.items())


def run(arguments: Sequence[str]) -> int:
    """Run one verb; returns the exit code: 0, 1 when something failed, 2 for wrong usage."""
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(overview())
    elif first == "--version":
        from histopress import __version__

        print(f"histopress {__version__}")
    elif first == "study":
        return _run_study(arguments[1:])
    elif first not in VERBS:
        return _wrong_usage(f"no verb {first!r}; there are {', '.join([*VERBS, 'study'])}")
    else:
        return _run_verb(first, VERBS[first], arguments[1:])
    return 0


def _run_study(arguments: Sequence[str]) -> int:
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(studies())
        return 0
    if first not in STUDIES:
        return _wrong_usage(f"no study {first!r}; there are {', '.join(STUDIES)}")
    return _run_verb(f"study {first}", STUDIES[first], arguments[1:])


def _run_verb(name: str, verb: Verb, arguments: Sequence[str]) -> int:
    try:
        flags = verb[0](Given(arguments))
        return tyro.cli(flags, args=arguments, prog=f"histopress {name}", config=(FlagCreatePairsOff,))
    except RecipeError as error:
        return _wrong_usage(str(error))
    except HistopressError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read what is printed has heard enough
        return 1
    except OSError as error:
        return _told_by_system(name, error)
    except KeyboardInterrupt:
        print("stopped; whole files were kept, run the same command to go on", file=sys.stderr)
        return 130


def _told_by_system(verb: str, error: OSError) -> int:
    """Say what to do about a full disk, a forbidden folder and the like."""
    from histopress.core.failures import Failure

    failure = Failure.of(verb, error)
    print(f"error: {failure.reason}; {failure.remedy}", file=sys.stderr)
    return 1


def _wrong_usage(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def main() -> NoReturn:
    """Entry point of the `histopress` command."""
    code = run(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: no library needs to hear of Ctrl-C now
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process without taking its libraries apart, which would cost half a second after torch.

    Threads are waited for, what registered itself for the end is called, and all that was printed is written.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # what Python itself does first at its end
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads any more, or the disk is full
            code = code or 1
    os._exit(code)
