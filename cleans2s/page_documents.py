"""The page's comparison: the same question without and with the documents. The panel itself is web/compare.js, with the
documents of web/documents.js, which stand under the conversation too."""

from __future__ import annotations

import gradio as gr

from .server import Server

MOUNT = """
const root = new URL((window.gradio_config && window.gradio_config.root) || '.', location.href);
const base = root.href.replace(/\\/?(\\?.*)?$/, '/');
const profile = () => document.querySelector('.cleans2s-talk')?.dataset.profile ?? '';
Promise.all(['compare', 'shelf'].map((name) => import(`${base}cleans2s/web/${name}.js`))).then(([{ mount }, { shelfOf }]) => {
  mount(element.querySelector('.cleans2s-compare'), { shelf: shelfOf(base, () => server.ticket()), profile });
});
"""


def compare(server: Server) -> gr.HTML:
    """Question, both answers, sources, documents; connected to the server that serves this page."""

    def ticket(_: object) -> str:  # Gradio's own login, where there is one, guards this call
        return server.ticket()

    return gr.HTML(
        html_template='<div class="cleans2s-compare"></div>',
        js_on_load=MOUNT,
        server_functions=[ticket],
        elem_id="cleans2s-compare",
    )
