// Where the agent looks before it answers: in the documents, on the web. Each switch acts on the conversation as it is.

import { make } from "./dom.js";

export class Lookups {
  #voice;
  #shelf;
  #words;
  #documents;
  #web;
  #told; // what the conversation was told of the documents
  #gone = new AbortController();

  /** `web`: whether the server looks there from the beginning. */
  constructor(place, words, voice, shelf, { web = false } = {}) {
    this.#voice = voice;
    this.#shelf = shelf;
    this.#words = words.lookups;
    this.#documents = this.#switch("documents", () => (shelf.on = this.#documents.checked));
    this.#web = this.#switch("web", () => voice.configure({ web: this.#web.checked }));
    this.#web.checked = web;
    Object.assign(place, { role: "group", ariaLabel: this.#words.group });
    place.replaceChildren(this.#documents.parentNode, this.#web.parentNode);
    shelf.addEventListener("change", () => this.#show(), { signal: this.#gone.signal });
    this.#show();
  }

  /** Takes any event of the server. */
  server(event) {
    if (event.type === "cleans2s.configured" && typeof event.settings?.web === "boolean") this.#web.checked = event.settings.web;
    if (event.type === "error" && event.error.param === "settings.web") this.#web.checked = false;
  }

  destroy() {
    this.#gone.abort();
  }

  #switch(name, then) {
    const input = make("input", { type: "checkbox" });
    input.addEventListener("change", then);
    make("label", { className: "switch", title: this.#words[`${name}Hint`] }, input, make("span", { textContent: this.#words[name] }));
    return input;
  }

  #show() {
    const { count, shared, loaded } = this.#shelf.state;
    if (!loaded) return;
    const { setting, on } = this.#shelf;
    const label = this.#documents.parentNode;
    this.#documents.checked = on && count > 0;
    this.#documents.disabled = !count;
    label.title = count ? this.#words.documentsHint : this.#words.documentsNone;
    const name = count ? `${this.#words.documents} (${count})` : this.#words.documents;
    if (label.lastChild.textContent !== name) label.lastChild.textContent = name;
    // Who has nothing says nothing; the server's own are on from the beginning.
    if (setting === (this.#told ?? shared)) return;
    this.#told = setting;
    this.#voice.configure({ documents: setting });
  }
}
