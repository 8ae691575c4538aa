// What the agent remembers of this person, in the person's hands: to be read, searched, corrected, forgotten, taken away and
// brought along. It is asked for over the conversation's own connection, so it is there only while there is one.

import { moment, regional } from "./block.js";
import { buttons, icon, make } from "./dom.js";
import { Identity } from "./identity.js";

const MOST_MB = 8; // of a file that is brought along
const TYPING_MS = 300; // after the last key of a search
const SOON_MS = 150; // several changes are one

export class Inspector {
  #voice;
  #words;
  #lang; // of dates
  #identity = new Identity();
  #place;
  #parts;
  #asked; // the number that this session was asked for
  #waiting = null; // a timer, to the next look
  #editing = false;

  /** `place` is a details element, which shows the memory while it is open. */
  constructor(place, words, voice) {
    this.#voice = voice;
    this.#words = words.memory;
    this.#lang = regional(words.lang);
    this.#place = place;
    this.#build();
    if (this.#identity.on) voice.configure({ memory: this.#identity.number });
  }

  /** Takes any event of the server; most do not concern memory. */
  server(event) {
    switch (event.type) {
      case "session.created":
        this.#asked = "";
        return this.#look();
      case "cleans2s.configured":
        if ((event.settings?.memory ?? "") === this.#asked) return;
        this.#asked = event.settings.memory ?? "";
        return this.#ask("list", { limit: 100 }); // closed as well: there may be a block
      case "cleans2s.memory.changed":
        return this.#look();
      case "cleans2s.memory.items":
        return this.#editing || this.#show(event);
      case "cleans2s.memory.exported":
        return save(event.memory);
      case "cleans2s.memory.imported":
        this.#tell(this.#words.imported(event.turns, event.facts));
        return this.#look();
      case "error":
        if (event.error.event_id?.startsWith("memory_")) this.#tell(event.error.message, true);
    }
  }

  /** Whether there is a conversation. */
  set active(active) {
    this.#place.classList.toggle("idle", !active);
    if (!active) this.#clear();
  }

  destroy() {
    clearTimeout(this.#waiting);
  }

  #build() {
    const words = this.#words;
    const button = buttons(words);
    const remember = make("input", { type: "checkbox", checked: this.#identity.on });
    remember.addEventListener("change", () => {
      this.#identity.on = remember.checked;
      this.#voice.configure({ memory: this.#identity.number });
    });
    const search = make("input", { className: "search", type: "search", placeholder: words.search, ariaLabel: words.search, maxLength: 200 });
    search.addEventListener("input", () => this.#look(TYPING_MS));
    const file = make("input", { type: "file", accept: ".json,application/json", hidden: true });
    file.addEventListener("change", () => this.#bring(file));
    const tools = make(
      "div",
      { className: "tools" },
      search,
      button("export", () => this.#ask("export")),
      button("import", () => file.click()),
      file,
      button("forgetAll", () => (sure.hidden = false)),
    );
    const sure = make(
      "div",
      { className: "sure", role: "alertdialog", ariaLabel: words.sure, hidden: true },
      make("span", { textContent: words.sure }),
      button("yes", () => {
        sure.hidden = true;
        this.#ask("forget_all");
        this.#tell(words.forgotten);
      }),
      button("no", () => (sure.hidden = true)),
    );
    const said = make("p", { className: "told-now", role: "status" });
    const note = make("p", { className: "hint" });
    const found = make("div", { className: "found" });
    this.#parts = { search, said, note, found };
    const live = make("div", { className: "live" }, tools, sure, said, note, found);
    this.#place.replaceChildren(
      make("summary", {}, make("span", { textContent: words.title })),
      make("label", { className: "switch" }, remember, make("span", { textContent: words.switch })),
      make("p", { className: "hint", textContent: words.told }),
      make("p", { className: "hint when-idle", textContent: words.idle }),
      live,
    );
    this.#place.addEventListener("toggle", () => this.#look());
  }

  #ask(action, fields = {}) {
    this.#voice.remember(action, fields);
  }

  /** Soon, and only if somebody looks. */
  #look(ms = SOON_MS) {
    clearTimeout(this.#waiting);
    if (!this.#place.open || this.#place.classList.contains("idle")) return;
    this.#waiting = setTimeout(() => this.#ask("list", { search: this.#parts.search.value.trim(), limit: 100 }), ms);
  }

  #tell(text, wrong = false) {
    this.#parts.said.textContent = text;
    this.#parts.said.classList.toggle("wrong", wrong);
  }

  #clear() {
    clearTimeout(this.#waiting);
    this.#asked = "";
    this.#editing = false;
    this.#tell("");
    this.#parts.found.replaceChildren();
  }

  // ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────────

  #show({ summary, facts = [], episodes = [], more, kept, set_aside }) {
    const words = this.#words;
    this.#parts.note.textContent = [set_aside && words.setAside, !kept && words.transient].filter(Boolean).join(" ");
    const section = (title, ...children) => make("section", {}, make("h4", { textContent: title }), ...children);
    const none = (text) => make("p", { className: "hint", textContent: text });
    const lines = summary ? summary.split("\n").map((line) => make("p", { dir: "auto", textContent: line })) : [none(words.nothing)];
    const short = make("div", { className: "entry" }, make("div", { className: "what" }, ...lines));
    short.append(this.#tools(short, { id: "summary", text: summary, forgets: Boolean(summary) }));
    const known = facts.map((fact) => this.#fact(fact));
    const line = this.#line(episodes);
    this.#parts.found.replaceChildren(
      section(words.summary, short),
      section(words.facts, known.length ? make("ul", { className: "facts" }, ...known) : none(words.noFacts)),
      section(words.episodes, line.length ? make("ol", { className: "line" }, ...line) : none(words.noEpisodes)),
      ...(more ? [none(words.more)] : []),
    );
  }

  #fact({ id, whose, key, value, quote, at, due, certainty, clipped }) {
    const words = this.#words;
    const name = whose === "user" ? key : `${whose}, ${key}`;
    const how = [quote ? `“${quote}”` : words.byHand, moment(at, this.#lang), `${words.factsNote} ${Math.round(100 * certainty)} %`];
    if (due) how.push(words.due(moment(due, this.#lang)));
    const what = make("div", { className: "what" }, make("b", { textContent: `${name}: ` }), make("span", { dir: "auto", textContent: value }));
    what.append(make("small", { textContent: how.join(" · ") }));
    const row = make("li", { className: "entry" }, what);
    row.append(this.#tools(row, { id, text: value, edits: !clipped }));
    return row;
  }

  /** Days, newest first, and under each what was said on it. */
  #line(episodes) {
    const rows = [];
    let day = "";
    for (const { id, role, text, at, clipped } of episodes.toReversed()) {
      const when = new Date(at);
      const date = when.toLocaleDateString(this.#lang, { dateStyle: "full" });
      if (date !== day) rows.push(make("li", { className: "day", textContent: (day = date) }));
      const time = make("time", { dateTime: at, textContent: when.toLocaleTimeString(this.#lang, { timeStyle: "short" }) });
      const what = make("div", { className: "what" }, time, make("span", { dir: "auto", textContent: text + (clipped ? " …" : "") }));
      const row = make("li", { className: `entry ${role === "user" ? "user" : "agent"}` }, what);
      row.append(this.#tools(row, { id, text, edits: !clipped }));
      rows.push(row);
    }
    return rows;
  }

  #tools(row, { id, text, edits = true, forgets = true }) {
    const tool = (name, then) => {
      const made = make("button", { className: `row-tool ${name}`, type: "button", title: this.#words[name], ariaLabel: this.#words[name] }, icon());
      made.addEventListener("click", then);
      return made;
    };
    const tools = make("span", { className: "row-tools" });
    if (edits) tools.append(tool("edit", () => this.#edit(row, id, text)));
    if (forgets) tools.append(tool("forget", () => this.#ask("forget", { id })));
    return tools;
  }

  /** While something is being written, nothing else is shown: it would be gone. */
  #edit(row, id, text) {
    const words = this.#words;
    const before = [...row.childNodes];
    const area = make("textarea", { className: "area", value: text, ariaLabel: words.edit, rows: Math.min(8, 1 + Math.ceil(text.length / 60)) });
    const end = (then) => () => {
      this.#editing = false;
      row.replaceChildren(...before);
      then?.();
      this.#look();
    };
    const save = make("button", { className: "button small save", type: "button", textContent: words.save });
    save.addEventListener("click", end(() => this.#ask("edit", { id, text: area.value })));
    const cancel = make("button", { className: "button small cancel", type: "button", textContent: words.cancel });
    cancel.addEventListener("click", end());
    this.#editing = true;
    row.replaceChildren(area, make("span", { className: "row-tools" }, save, cancel));
    area.focus();
  }

  async #bring(input) {
    const [file] = input.files;
    input.value = ""; // the same one may be chosen again
    if (!file) return;
    if (file.size > MOST_MB * 2 ** 20) return this.#tell(this.#words.tooLarge(MOST_MB), true);
    try {
      const memory = JSON.parse(await file.text());
      if (memory?.constructor !== Object) throw new SyntaxError("no object");
      this.#ask("import", { memory });
    } catch {
      this.#tell(this.#words.noJson, true);
    }
  }
}

function save(memory) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(memory, null, 1)], { type: "application/json" }));
  make("a", { href: url, download: `cleans2s-memory-${new Date().toISOString().slice(0, 10)}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
