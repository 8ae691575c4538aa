// What goes on in the agent before it answers: for each turn the way that it chose, how likely each way seemed, why, and
// what came to its mind.

import { make } from "./dom.js";

const MOST = 50;
const WORDS_KEPT = 64; // turns whose words may still be needed

export class Thoughts {
  #list;
  #words;
  #said = new Map(); // item → the user's words

  constructor(list, words) {
    this.#list = list;
    this.#words = words;
    this.clear();
  }

  /** Takes any event of the server; most are no thoughts. */
  server(event) {
    switch (event.type) {
      case "conversation.item.input_audio_transcription.completed":
        return this.#hear(event.item_id, event.transcript);
      case "conversation.item.added": // typed words
        return event.item.role === "user" && this.#hear(event.item.id, event.item.content?.find(({ text }) => text)?.text ?? "");
      case "cleans2s.judged":
        return this.#think(event);
    }
  }

  #hear(item, words) {
    if (words) this.#said.set(item, words.trim());
    if (this.#said.size > WORDS_KEPT) this.#said.delete(this.#said.keys().next().value);
  }

  clear() {
    this.#said.clear();
    this.#list.replaceChildren(make("div", { className: "empty", textContent: this.#words.noThoughts }));
  }

  #think({ item_id: item, strategy, probabilities = {}, reason, recalled = [] }) {
    this.#list.querySelector(".empty")?.remove();
    const latest = this.#list.firstElementChild;
    if (latest) latest.open = false; // only the newest stands open by itself
    const ways = Object.entries(probabilities).sort(([, one], [, other]) => other - one);
    const summary = make(
      "summary",
      {},
      make("span", { className: `way of-${way(strategy)}`, textContent: this.#name(strategy) }),
      make("span", { className: "quoted", dir: "auto", textContent: this.#said.get(item) || this.#words.unworded }),
    );
    const bars = make("ul", { className: "bars" }, ...ways.map(([name, share]) => this.#bar(name, share, name === strategy)));
    const thought = make("details", { className: "thought", open: true }, summary, bars);
    if (reason) thought.append(make("p", { className: "why", dir: "auto", textContent: reason }));
    if (recalled.length) {
      const lines = recalled.map((line) => make("li", { dir: "auto", textContent: line }));
      thought.append(make("p", { className: "label", textContent: this.#words.recalled }), make("ul", { className: "recalled" }, ...lines));
    }
    this.#list.prepend(thought);
    if (this.#list.children.length > MOST) this.#list.lastElementChild.remove();
  }

  #bar(name, share, chosen) {
    const bar = make("span", { className: `bar of-${way(name)}`, ariaHidden: "true" }, make("i"));
    bar.firstChild.style.width = `${Math.round(100 * Math.min(1, Math.max(0, share)))}%`;
    const texts = [this.#name(name), `${Math.round(100 * share)} %`].map((text) => make("span", { textContent: text }));
    return make("li", { className: chosen ? "chosen" : "" }, texts[0], bar, texts[1]);
  }

  /** Ways that others have added go by their own names. */
  #name(strategy) {
    return Object.hasOwn(this.#words.strategies, strategy) ? this.#words.strategies[strategy] : strategy;
  }
}

/** As it may stand in the name of a class. */
const way = (strategy) => String(strategy).replace(/\W/g, "");
