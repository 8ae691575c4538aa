"""The page of cleans2s. `python app.py --share` makes a public link; Hugging Face Spaces runs this file as it is."""

from __future__ import annotations

import argparse
import os
import signal
from dataclasses import replace

from cleans2s.page import app
from cleans2s.profiles import load, names
from cleans2s.serving import Serving


def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to cleans2s in the browser.")
    parser.add_argument("--host", help="where to listen (default: this machine only, or GRADIO_SERVER_NAME)")
    parser.add_argument("--port", type=int, help="default: 7860, or GRADIO_SERVER_PORT")
    parser.add_argument("--share", action="store_true", default=None, help="make a public link")
    parser.add_argument(
        "--profile", "--config", metavar="NAME|FILE.toml", default="embedded", help="engines and settings of the agent"
    )
    parser.add_argument("--documents", metavar="DIR", help="a folder of documents that the agent knows, or an index of them")
    parser.add_argument("--web", action="store_true", default=None, help="look on the web for what the documents do not say")
    parser.add_argument("--record", metavar="DIR", default="", help="keep every conversation in a folder; the page says so")
    options = parser.parse_args()
    serving = Serving.from_environment(record=options.record)
    if not (options.share or serving.profiles or "SPACE_ID" in os.environ):
        serving = replace(serving, profiles=tuple(names()))  # where nobody else spends our keys and memory
    signal.signal(signal.SIGTERM, stop)
    looks = {name: value for name in ("documents", "web") if (value := getattr(options, name)) is not None}
    config = load(options.profile).changed(looks)
    app(config, serving).launch(server_name=options.host, server_port=options.port, share=options.share)


def stop(number: int, frame: object) -> None:
    """Told to stop, it stops as on Ctrl-C: conversations are closed, and no process stays."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
