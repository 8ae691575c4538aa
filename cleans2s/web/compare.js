// The same question without and with the documents: two columns that are written at the same time by the same model, the
// passages that were found with what was used of them, how long it took, and what only one of the two says.

import { dress, icon, make } from "./dom.js";
import { Documents } from "./documents.js";
import { Recording } from "./recording.js";
import { Sources } from "./sources.js";
import { duration, texts } from "./words.js";

const MOST = 500; // characters of a question
const SIDES = ["plain", "rag"];

const mounted = new WeakMap(); // element → its panel

/** Builds the panel in `element`, instead of the one that is there already; `profile` gives the name of the engines' profile. */
export function mount(element, { shelf, language, profile = () => "" }) {
  mounted.get(element)?.unmount();
  const panel = new Compare(element, shelf, texts(language), profile);
  mounted.set(element, panel);
  return panel;
}

class Compare {
  #element;
  #shelf;
  #words;
  #all;
  #profile;
  #documents;
  #sources;
  #parts;
  #sides = {};
  #asking = null; // what ends the comparison under way
  #recording = null;
  #looked = false; // whether it is known what documents there are
  #gone = new AbortController();

  constructor(element, shelf, words, profile) {
    this.#element = element;
    this.#shelf = shelf;
    this.#all = words;
    this.#words = words.compare;
    this.#profile = profile;
    this.#build();
    shelf.addEventListener("change", () => this.#invite(), { signal: this.#gone.signal });
    this.#invite();
    dress(element);
  }

  unmount() {
    this.#gone.abort();
    this.#asking?.abort();
    this.#recording?.stop();
    this.#documents.destroy();
    this.#element.replaceChildren();
  }

  #build() {
    const words = this.#words;
    const input = make("input", { className: "text", type: "text", placeholder: words.ask, ariaLabel: words.question, maxLength: MOST });
    Object.assign(input, { autocomplete: "off", enterKeyHint: "send" });
    const speak = make("button", { className: "button speak", type: "button", title: words.speak, ariaLabel: words.speak }, icon());
    speak.addEventListener("click", () => this.#listen());
    const send = make("button", { className: "button send", type: "submit", title: words.send, ariaLabel: words.send }, icon());
    const form = make("form", { className: "write" }, input, speak, send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#asking) this.#asking.abort();
      else if (input.value.trim()) this.#ask(input.value.trim());
    });
    form.addEventListener("keydown", ({ key }) => key === "Escape" && this.#asking?.abort());
    const said = make("p", { className: "told-now", role: "status" });
    const invitation = make("p", { className: "hint invitation" });
    const marks = make("input", { type: "checkbox", checked: true });
    marks.addEventListener("change", () => columns.classList.toggle("marked", marks.checked));
    const toggle = make("label", { className: "switch small" }, marks, make("span", { textContent: words.differences }));
    const columns = make("div", { className: "columns marked" }, ...SIDES.map((side) => this.#side(side)));
    const note = make("p", { className: "hint note-of" });
    const found = make("div", { className: "found-here" });
    const results = make("div", { className: "results", hidden: true }, columns, make("div", { className: "under" }, toggle, note), found);
    const documents = make("details");
    this.#parts = { input, speak, send, form, said, invitation, toggle, note, columns, found, results };
    this.#sources = new Sources(this.#all);
    this.#element.classList.add("cleans2s-panel", "cleans2s-compare");
    Object.assign(this.#element, { role: "region", ariaLabel: words.region, lang: this.#all.lang });
    this.#element.replaceChildren(form, said, invitation, results, documents);
    this.#documents = new Documents(documents, this.#all, this.#shelf, this.#element);
    this.#parts.documents = documents;
  }

  #side(side) {
    const words = this.#words;
    const text = make("div", { className: "answer", dir: "auto" });
    const times = make("div", { className: "times" });
    const head = make("div", { className: "column-head" }, make("h3", { textContent: words[side] }), make("small", { textContent: words[`${side}Hint`] }));
    const node = make("section", { className: `column ${side}`, ariaLabel: words[side] }, head, text, times);
    this.#sides[side] = { node, text, times, said: "" };
    return node;
  }

  #invite() {
    const { documents, loaded } = this.#shelf.state;
    const { invitation, results } = this.#parts;
    const text = loaded && !documents.length ? this.#words.noDocuments : this.#words.empty;
    if (invitation.textContent !== text) invitation.textContent = text;
    invitation.hidden = !results.hidden && documents.length > 0;
    if (loaded && !this.#looked) this.#parts.documents.open = !documents.length;
    this.#looked ||= loaded;
  }

  // Asking

  async #ask(question) {
    const asking = (this.#asking = new AbortController());
    this.#begin();
    let over = false;
    try {
      for await (const line of this.#shelf.compare(question, { profile: this.#profile(), signal: asking.signal })) {
        this.#take(line);
        over = line.type === "done" || line.type === "failed";
      }
      if (!over) throw new Error("");
    } catch (error) {
      if (!asking.signal.aborted) this.#complain(error instanceof TypeError ? "" : error.message);
    }
    if (this.#asking === asking) this.#end();
  }

  #begin() {
    const { send, said, results, toggle, note, found, columns } = this.#parts;
    send.title = send.ariaLabel = this.#words.stop;
    send.classList.add("stops");
    said.textContent = "";
    said.classList.remove("wrong");
    results.hidden = false;
    toggle.hidden = true;
    note.textContent = "";
    found.replaceChildren();
    columns.ariaBusy = "true";
    for (const side of Object.values(this.#sides)) {
      side.said = "";
      side.text.replaceChildren(make("span", { className: "dots", textContent: this.#words.waiting }));
      side.times.replaceChildren();
      side.node.classList.remove("failed");
    }
    this.#invite();
  }

  #end() {
    this.#asking = null;
    const { send, columns } = this.#parts;
    send.title = send.ariaLabel = this.#words.send;
    send.classList.remove("stops");
    columns.ariaBusy = "false";
    for (const { text } of Object.values(this.#sides)) text.querySelector(".dots")?.remove();
  }

  #take(line) {
    switch (line.type) {
      case "sources":
        return this.#found(line);
      case "said": {
        const side = this.#sides[line.side];
        side.said += line.text;
        return side.text.replaceChildren(...this.#written(side.said));
      }
      case "over":
        return this.#time(line);
      case "done":
        return this.#compare(line);
      case "failed":
        return this.#complain(line.error);
    }
  }

  #found({ retrieval_ms, sources }) {
    const words = this.#words;
    this.#chip("rag", words.retrieval(precise(retrieval_ms)));
    const head = make("h3", { textContent: words.sources });
    this.#sources.show(sources);
    this.#parts.found.replaceChildren(head, sources.length ? this.#sources.node : make("p", { className: "hint", textContent: words.none }));
  }

  #time({ side, first_ms, total_ms, error }) {
    const words = this.#words;
    if (first_ms !== null) this.#chip(side, words.first(precise(first_ms)));
    if (total_ms !== null) this.#chip(side, words.total(precise(total_ms)));
    if (!error) return;
    this.#sides[side].node.classList.add("failed");
    this.#sides[side].text.append(make("p", { className: "told-now wrong", textContent: error }));
  }

  #chip(side, text) {
    this.#sides[side].times.append(make("span", { className: "chip took" }, icon(), text));
  }

  /** Word by word: what the other side does not say stands in its own colour, and is said to screen readers. */
  #compare({ spans, marks, style }) {
    for (const [name, row] of Object.entries(spans)) {
      const side = this.#sides[name];
      if (side.node.classList.contains("failed")) continue;
      side.text.replaceChildren(
        ...row.flatMap(({ text, alone }) => {
          const written = this.#written(text);
          return alone ? [make("mark", { className: "alone", title: this.#words.only }, ...written)] : written;
        }),
      );
    }
    this.#sources.used(marks);
    this.#parts.toggle.hidden = false;
    this.#parts.note.textContent = style === "extract" ? this.#words.quoting : "";
  }

  /** An answer's text, with its citations as buttons that lead to the passage. */
  #written(text) {
    return text.split(/(\[\d{1,2}\])/).map((part) => {
      const number = Number(/^\[(\d+)\]$/.exec(part)?.[1]);
      if (!number) return part;
      const cite = make("button", { className: "cite", type: "button", textContent: String(number), ariaLabel: this.#all.sources.passage(number) });
      cite.addEventListener("click", () => this.#sources.open(number));
      return cite;
    });
  }

  #complain(words) {
    this.#tell(this.#words.failed(words), true);
  }

  #tell(text, wrong = false) {
    const { said } = this.#parts;
    said.textContent = text;
    said.classList.toggle("wrong", wrong);
  }

  // By voice

  /** The first press begins, the second asks what was said. */
  async #listen() {
    const { speak, input } = this.#parts;
    if (this.#recording) return this.#heard();
    const talk = window.cleans2s?.voice; // the conversation beside it must not hear the question
    const recording = (this.#recording = new Recording({
      level: (level) => speak.style.setProperty("--level", Math.min(1, 6 * level).toFixed(2)),
      over: () => this.#recording === recording && this.#heard(),
    }));
    recording.talk = talk?.state !== "idle" && talk?.muted === false ? talk : null;
    if (recording.talk) recording.talk.muted = true;
    this.#press(true);
    this.#tell(this.#words.listening);
    try {
      await recording.start();
    } catch (error) {
      this.#recording = null;
      recording.stop();
      this.#press(false);
      if (recording.talk) recording.talk.muted = false;
      const [what, then] = this.#all.problems[error.code] ?? this.#all.otherProblem;
      this.#tell(`${what}. ${then}`, true);
      input.focus();
    }
  }

  async #heard() {
    const recording = this.#recording;
    this.#recording = null;
    const sound = recording.stop();
    if (recording.talk) recording.talk.muted = false;
    const { speak, input } = this.#parts;
    this.#press(false);
    speak.disabled = true;
    this.#tell(this.#words.understanding);
    try {
      const text = (await this.#shelf.transcribe(sound, this.#gone.signal)).slice(0, MOST);
      this.#tell(text ? "" : this.#words.nothing, !text);
      if (!text) return;
      this.#asking?.abort();
      input.value = text;
      this.#ask(text);
    } catch (error) {
      this.#complain(error instanceof TypeError ? "" : error.message);
    } finally {
      speak.disabled = false;
    }
  }

  #press(on) {
    const { speak } = this.#parts;
    speak.classList.toggle("on", on);
    speak.ariaPressed = String(on);
    speak.title = speak.ariaLabel = on ? this.#words.done : this.#words.speak;
  }
}

/** Short times tell: a retrieval takes a few milliseconds. */
const precise = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : duration(ms));
