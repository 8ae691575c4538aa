// The block after repeated abuse: that it is there, until when, and how it is lifted.

import { make } from "./dom.js";

const LONGEST_MS = 2 ** 31 - 1; // that a timer can wait

export class Block {
  #place;
  #words;
  #lift;
  #over = null; // a timer

  /** `lift` is called when the person wants it to end. */
  constructor(place, words, lift) {
    this.#place = place;
    this.#words = words;
    this.#lift = lift;
  }

  /** Takes any event of the server. */
  server(event) {
    if (event.type === "cleans2s.judged") this.show(event.until);
    if (event.type === "cleans2s.memory.items") this.show(event.block?.until);
  }

  /** `until` is a time as text; without one, or once it has passed, there is no block. */
  show(until) {
    clearTimeout(this.#over);
    const left = until ? Date.parse(until) - Date.now() : 0;
    if (!(left > 0)) return this.#place.replaceChildren();
    const lift = make("button", { className: "button lift", type: "button", textContent: this.#words.lift });
    lift.addEventListener("click", () => {
      this.show("");
      this.#lift();
    });
    const text = make("span", { textContent: this.#words.block(moment(until, this.#words.lang)) });
    this.#place.replaceChildren(text, lift);
    this.#over = setTimeout(() => this.show(""), Math.min(left, LONGEST_MS));
  }

  destroy() {
    clearTimeout(this.#over);
  }
}

/** The browser's own kind of a language: British and American dates differ. */
export function regional(lang) {
  return navigator.language.slice(0, 2) === lang.slice(0, 2) ? navigator.language : lang;
}

/** A time as people write it: the day only where it is another one. */
export function moment(iso, lang) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(regional(lang), { ...(!today && { dateStyle: "medium" }), timeStyle: "short" });
}
