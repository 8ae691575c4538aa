// What an answer is grounded on: a numbered list, each with its title and its passage, in which the words that were used are
// marked. All of it was written by strangers: it reaches the page as text, and only addresses of http and https become links.

import { make } from "./dom.js";

const ENOUGH = 0.75; // of a sentence's words that were said
const FEWEST_WORDS = 3; // shorter sentences are said by chance

export class Sources {
  #words;
  #folds;
  #rows = []; // {number, text, cited, passage, chip, details, summary, node}
  #others = null; // a details element: what was found and not cited
  node = make("div", { className: "grounds" });

  /** With `folds`, only those that are cited stand open; the others are behind a line. */
  constructor(words, { folds = false } = {}) {
    this.#words = words.sources;
    this.#folds = folds;
  }

  /** `sources` as `cleans2s.sources` has them. */
  show(sources) {
    const open = new Set(this.#rows.filter(({ details }) => details.open).map(({ number }) => number));
    const unfolded = this.#others?.open ?? false;
    this.#rows = sources.map((source) => this.#row(source));
    for (const { number, details } of this.#rows) details.open = open.has(number);
    const list = (rows) => make("ol", { className: "sources" }, ...rows.map(({ node }) => node));
    const others = this.#folds ? this.#rows.filter(({ cited }) => !cited) : [];
    const cited = this.#rows.filter((row) => !others.includes(row));
    const title = others.length && this.#words.title(others.length, cited.length > 0);
    this.#others = others.length ? make("details", { className: "others", open: unfolded }, make("summary", { textContent: title }), list(others)) : null;
    this.node.replaceChildren(...(cited.length ? [list(cited)] : []), ...(this.#others ? [this.#others] : []));
  }

  /** Marks the sentences that were said, and those of `cited` numbers. */
  said(text) {
    const words = new Set(wordsOf(text));
    for (const row of this.#rows) this.#mark(row, sentencesOf(row.text).filter((sentence) => saidWith(sentence, words)), row.cited);
  }

  /** Marks `quotes`, {number, text} of a part of the passage with this number, and unfolds those passages. */
  used(quotes) {
    for (const row of this.#rows) {
      const texts = quotes.filter(({ number }) => number === row.number).map(({ text }) => text);
      this.#mark(row, texts, texts.length > 0);
      row.details.open ||= texts.length > 0;
    }
  }

  /** Unfolds a passage and goes there. */
  open(number) {
    const row = this.#rows.find((other) => other.number === number);
    if (!row) return;
    row.details.open = true;
    row.summary.focus();
    row.node.scrollIntoView({ block: "nearest" });
  }

  #row({ number, kind, title = "", url = "", file = "", text = "", cited = false }) {
    const words = this.#words;
    const passage = make("div", { className: "passage", dir: "auto", textContent: text });
    const chip = make("span", { className: "chip used", textContent: words.spoken, hidden: !cited });
    const name = make("span", { className: "name", dir: "auto", textContent: title || file });
    const about = make("span", { className: "about" }, name, chip);
    const summary = make("summary", {}, make("span", { className: "number", textContent: String(number) }), about);
    const details = make("details", {}, summary, passage);
    const address = safe(url);
    if (address) {
      const link = make("a", { href: address.href, target: "_blank", rel: "noopener noreferrer nofollow", textContent: address.host });
      link.title = link.ariaLabel = words.open(title || address.host);
      link.referrerPolicy = "no-referrer";
      name.after(link);
    } else if (file && !title.startsWith(file)) name.after(make("small", { className: "file", dir: "auto", textContent: file }));
    return { number, text, cited, passage, chip, details, summary, node: make("li", { className: `source ${kind === "web" ? "web" : "document"}` }, details) };
  }

  #mark({ text, passage, chip }, quotes, used) {
    const ranges = quotes.map((quote) => [text.indexOf(quote), quote.length]).filter(([start]) => start >= 0);
    ranges.sort(([one], [other]) => one - other);
    const parts = [];
    let at = 0;
    for (const [start, length] of ranges) {
      if (start < at) continue;
      // Ends of lines stand between the marks: a blank line has nothing to mark.
      const lines = text.slice(start, start + length).split(/(\n+)/);
      parts.push(text.slice(at, start), ...lines.map((line) => (line.trim() ? make("mark", { textContent: line }) : line)));
      at = start + length;
    }
    passage.replaceChildren(...parts, text.slice(at));
    chip.hidden = !used && !ranges.length;
  }
}

/** An address that may be opened, as a URL; null for any other. */
export function safe(url) {
  try {
    const address = new URL(url);
    return ["http:", "https:"].includes(address.protocol) ? address : null;
  } catch {
    return null;
  }
}

function saidWith(sentence, said) {
  const words = wordsOf(sentence);
  return words.length >= FEWEST_WORDS && words.filter((word) => said.has(word)).length >= ENOUGH * words.length;
}

function segments(text, granularity) {
  return Array.from(new Intl.Segmenter(undefined, { granularity }).segment(text));
}

function wordsOf(text) {
  return segments(text.toLowerCase(), "word")
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment }) => segment);
}

function sentencesOf(text) {
  return segments(text, "sentence").map(({ segment }) => segment.trim()).filter(Boolean);
}
