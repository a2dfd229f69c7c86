"""`python3 start.py bench NAME`: measure one figure beside its reference and print both.

Everything runs on a PostgreSQL and a Valkey of its own in a temporary folder, durability on, and
against a fake AWS on 127.0.0.1. References are measured in turns with what they are compared to,
since the machine is never quiet: read the ratios, which are medians.
"""

import argparse
import sys
from collections.abc import Sequence

from bench import click, heartbeats, inbox
from demo.processes import ServiceFailed


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="start.py bench", description=(__doc__ or "").partition("\n\n")[2]
    )
    figures = parser.add_subparsers(title="figures", required=True, metavar="NAME")
    for module in (inbox, heartbeats, click):
        about = (module.__doc__ or "").strip()
        figure = figures.add_parser(
            module.__name__.rpartition(".")[2],
            help=about.partition("\n")[0],
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(figure)
        figure.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except ServiceFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
