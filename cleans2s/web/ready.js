// What a page shows while the server's engines are fetched and loaded: the first time, that takes minutes.

import { dress, make } from "./dom.js";

const LOOK_EVERY_MS = 1000;

/**
 * Resolves when the server at `base` is ready, and says in `element` how far it is until then; `words` as `texts` gives them.
 * A failure is shown for as long as it lasts: somebody may mend the server and start it anew.
 */
export async function ready(element, base, words) {
  const text = make("span");
  const bar = make("progress", { ariaLabel: words.fetched });
  const line = make("div", { className: "cleans2s-ready", role: "status", lang: words.lang }, text, bar);
  for (;;) {
    const { status, detail, share } = await look(base);
    if (status === "ready") return line.remove();
    const say = words.readiness[status] ?? words.readiness.away;
    if (text.textContent !== say(detail)) text.textContent = say(detail); // what stays the same is not read aloud again
    line.classList.toggle("failed", status === "failed");
    bar.hidden = status === "failed";
    if (typeof share === "number") bar.value = share;
    else bar.removeAttribute("value"); // it moves, and says nothing of how far
    if (!line.isConnected) {
      element.prepend(line);
      dress(line);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** The server's own word, which comes with a status of HTTP for those who read no more than that. */
async function look(base) {
  try {
    return await (await fetch(`${base}healthz`, { cache: "no-store" })).json();
  } catch {
    return { status: "away" }; // it starts, or a proxy speaks in its place
  }
}
