"""The page of cleans2s. `python app.py --share` makes a public link; Hugging Face Spaces runs this file as it is."""

from __future__ import annotations

import argparse
import signal

from cleans2s.config import Config
from cleans2s.page import app


def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to cleans2s in the browser.")
    parser.add_argument("--host", help="where to listen (default: this machine only, or GRADIO_SERVER_NAME)")
    parser.add_argument("--port", type=int, help="default: 7860, or GRADIO_SERVER_PORT")
    parser.add_argument("--share", action="store_true", default=None, help="make a public link")
    parser.add_argument("--config", metavar="FILE.toml", help="settings of the agent")
    options = parser.parse_args()
    config = Config.from_file(options.config) if options.config else Config()
    signal.signal(signal.SIGTERM, stop)
    app(config).launch(server_name=options.host, server_port=options.port, share=options.share)


def stop(number: int, frame: object) -> None:
    """Told to stop, it stops as on Ctrl-C: conversations are closed, and no process stays."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
