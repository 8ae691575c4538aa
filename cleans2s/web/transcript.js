// The conversation in words: what each side said, what of it was not heard, and what came between.

import { icon, make } from "./dom.js";
import { Sources } from "./sources.js";
import { duration } from "./words.js";

const MOST_ENTRIES = 400; // hours of talk must not fill the page's memory
const NEAR_END_PX = 40; // who has not scrolled back further than this follows the conversation
const RECENT_TURNS = 64; // of which something may still be said
const TOLD_AGAIN = "again_"; // so memory.js names the items that a new connection is told of: they are shown already

export class Transcript {
  #list;
  #words;
  #entries = []; // {node, text, plain(): what a copy says}
  #replies = new Map(); // response → its entry
  #latencies = new Map(); // response → its latency, told before its first words
  #cut = new Set(); // responses that were interrupted: their words are settled
  #grounds = new Map(); // response → its sources, told before its first words
  #tools = new Map(); // item → the tool's name
  #partial = null; // the entry of what the user is saying
  #awaited = new Map(); // committed item → the entry that its final words will fill
  #turns = new Map(); // committed item → the entry of its words
  #cutsIn = false; // the next response begins while the user still spoke
  #cutIn = new Set(); // responses that did
  #written = []; // typed turns that are shown and that the server has not confirmed yet

  constructor(list, words) {
    this.#list = list;
    this.#words = words;
    this.clear();
  }

  server(event) {
    const { type, response_id: response } = event;
    switch (type) {
      case "cleans2s.partial":
        return event.text && this.#stay(() => this.#hear(event));
      case "input_audio_buffer.committed":
        if (this.#partial) this.#awaited.set(event.item_id, this.#partial);
        this.#partial = null;
        return;
      case "conversation.item.input_audio_transcription.completed":
      case "conversation.item.input_audio_transcription.failed": // has no transcript
        return this.#stay(() => this.#heard(event));
      case "conversation.item.added":
      case "conversation.item.created": // as it is called by the protocol's beta
        return this.#confirm(event.item);
      case "cleans2s.ignored":
        this.close();
        return event.text && this.#note("aside", (this.#words.ignored[event.reason] ?? String)(event.text));
      case "cleans2s.judged":
        this.#cutsIn = Boolean(event.cuts_in);
        return event.speaks === false && this.#silent(event.item_id);
      case "response.created":
        if (this.#cutsIn) this.#cutIn.add(event.response.id);
        this.#cutsIn = false;
        return;
      case "cleans2s.reaction":
        return this.#react(event);
      case "cleans2s.backchannel":
        return this.#nod(event.text);
      case "response.output_audio_transcript.delta":
        return this.#say(response, event.delta, true);
      case "response.output_text.delta":
        return this.#say(response, event.delta, false);
      case "cleans2s.interrupted":
        return this.#interrupt(response, event.heard ?? "", event.unheard ?? "");
      case "cleans2s.sources":
        this.#grounds.set(response, event.sources ?? []);
        return this.#replies.has(response) && this.#ground(response);
      case "response.done":
        return this.#replies.get(event.response.id)?.mark?.();
      case "cleans2s.latency":
        this.#latencies.set(response, event.latency);
        return this.#time(response);
      case "response.output_item.added":
        return event.item?.name && this.#tools.set(event.item.id, event.item.name);
      case "response.function_call_arguments.done": {
        const name = event.name ?? this.#tools.get(event.item_id) ?? "";
        return this.#note("tool", `${this.#words.called} ${name}`, event.arguments);
      }
      case "cleans2s.recording":
        return this.#note("aside", this.#words.recorded);
      case "cleans2s.failed":
        return this.#note("failure", this.#words.failed(this.#words.engines[event.stage] ?? event.stage, event.error));
    }
  }

  /** A typed turn, shown at once; the server's word of it will not be shown again. */
  wrote(text) {
    this.#written.push(text);
    this.#stay(() => this.#typed(text));
  }

  /** The agent knows nothing of what stands above. */
  divide() {
    if (this.#entries.length) this.#note("divider", this.#words.fresh);
  }

  /** What was being said will not be finished. */
  close() {
    if (this.#partial) this.#remove(this.#partial);
    this.#partial = null;
  }

  clear() {
    [this.#replies, this.#latencies, this.#grounds, this.#cut, this.#awaited, this.#turns, this.#cutIn].forEach((known) => known.clear());
    this.#partial = null;
    this.#entries = [];
    this.#list.replaceChildren(make("div", { className: "empty", textContent: this.#words.empty }));
  }

  /** For a copy by hand. */
  select() {
    getSelection().selectAllChildren(this.#list);
  }

  toString() {
    return this.#entries.map((entry) => entry.plain()).join("\n");
  }

  #hear({ text, stable }) {
    this.#partial ??= this.#bubble("user");
    const characters = Array.from(text); // the server counts characters, a string of JavaScript half characters
    const [sure, rest] = [characters.slice(0, stable), characters.slice(stable)].map((part) => part.join(""));
    const { node, said } = Object.assign(this.#partial, { text });
    node.ariaLive = "off"; // read aloud once it is final
    said.replaceChildren(sure, make("span", { className: "rest", textContent: rest }));
  }

  #heard({ item_id: item, transcript }) {
    const entry = this.#awaited.get(item) ?? this.#partial;
    this.#awaited.delete(item);
    if (entry === this.#partial) this.#partial = null;
    if (!transcript?.trim()) return entry && this.#remove(entry);
    const turn = Object.assign(entry ?? this.#bubble("user"), { text: transcript.trim() });
    turn.node.ariaLive = null;
    turn.said.textContent = transcript.trim();
    this.#turns.set(item, turn);
    if (this.#turns.size > RECENT_TURNS) this.#turns.delete(this.#turns.keys().next().value);
  }

  #confirm({ id = "", role, content } = {}) {
    const text = content?.find((part) => part.type === "input_text")?.text;
    if (role !== "user" || !text || id.startsWith(TOLD_AGAIN)) return;
    const shown = this.#written.indexOf(text.trim());
    if (shown >= 0) this.#written.splice(shown, 1);
    else this.#stay(() => this.#typed(text));
  }

  #typed(text) {
    const entry = Object.assign(this.#bubble("user"), { text });
    entry.said.textContent = text;
    entry.meta.append(make("span", { className: "chip", textContent: this.#words.typed }));
  }

  #reply(response) {
    if (!this.#replies.has(response)) {
      const entry = this.#bubble("agent");
      this.#replies.set(response, entry);
      if (this.#cutIn.delete(response)) mark(entry, "cut-in", this.#words.cutIn, this.#words.cutInHint);
    }
    return this.#replies.get(response);
  }

  #say(response, words, clause) {
    if (!words || this.#cut.has(response)) return;
    this.#stay(() => {
      const entry = this.#reply(response);
      const piece = clause ? spaced(entry.text, words) : words;
      entry.text += piece;
      entry.said.append(make("span", { textContent: piece }));
      this.#ground(response);
    });
    this.#time(response);
  }

  #interrupt(response, heard, unheard) {
    this.#cut.add(response);
    if (!heard && !unheard) return;
    this.#stay(() => {
      const { node, said, mark } = Object.assign(this.#reply(response), { text: heard, unheard });
      node.ariaLive = "off"; // what was heard has been read aloud already
      said.textContent = heard;
      mark?.(); // only what was heard
      if (!unheard) return;
      const hint = make("span", { className: "unseen", textContent: ` (${this.#words.notHeard}:) ` });
      said.append(make("del", { title: this.#words.notHeard }, hint, spaced(heard, unheard)));
    });
    this.#time(response);
  }

  #time(response) {
    const [latency, entry] = [this.#latencies.get(response), this.#replies.get(response)];
    if (!(latency?.reply_ms >= 0) || !entry) return;
    this.#latencies.delete(response);
    const stages = Object.entries(this.#words.stages).filter(([name]) => latency[name] != null);
    stages.sort(([one], [other]) => latency[one] - latency[other]);
    const title = [this.#words.latencyHint, ...stages.map(([name, stage]) => `${duration(latency[name])}  ${stage}`)];
    const chip = make("span", { className: "chip took", title: title.join("\n") }, icon());
    chip.append(make("span", { className: "unseen", textContent: this.#words.latency(duration(latency.reply_ms)) }));
    chip.append(make("span", { ariaHidden: "true", textContent: duration(latency.reply_ms) }));
    this.#stay(() => entry.meta.append(chip));
  }

  /** Under a reply what it is grounded on; what of that was said is marked. What comes later takes its place. */
  #ground(response) {
    const [told, entry] = [this.#grounds.get(response), this.#replies.get(response)];
    if (!told) return entry.mark?.();
    this.#grounds.delete(response);
    if (!entry.grounds) {
      entry.grounds = new Sources(this.#words, { folds: true });
      entry.node.append(entry.grounds.node);
      entry.mark = () => entry.grounds.said(entry.text);
    }
    entry.sources = told;
    this.#stay(() => {
      entry.grounds.show(told);
      entry.mark();
    });
  }

  /** The agent has heard this turn, and says nothing. */
  #silent(item) {
    const entry = this.#turns.get(item);
    if (!entry) return;
    this.#stay(() => mark(entry, "silent", this.#words.silent));
    entry.remark = this.#words.silent;
  }

  #react({ item_id: item, emoji, name }) {
    const entry = this.#turns.get(item);
    if (!entry) return;
    const shown = make("span", { className: "emoji", role: "img", ariaLabel: name, title: name, textContent: emoji });
    this.#stay(() => entry.meta.prepend(shown));
  }

  /** In passing, and no part of what was said. */
  #nod(text) {
    if (this.#partial) this.#stay(() => mark(this.#partial, "nod", text, this.#words.nodHint));
  }

  #bubble(who) {
    const name = who === "user" ? this.#words.you : this.#words.agent;
    const said = make("span", { className: "said", dir: "auto" });
    const meta = make("span", { className: "meta" });
    const hint = make("span", { className: "unseen", textContent: `${name}: ` });
    const node = make("div", { className: `turn ${who}` }, hint, said, meta);
    const entry = this.#add({ node, said, meta, text: "", unheard: "", remark: "" });
    const named = () => entry.sources.map(({ number, title, url, file }) => `${number}. ${[title, url || file].filter(Boolean).join(" · ")}`);
    const sources = () => (entry.sources?.length ? ` [${this.#words.sources.copied}: ${named().join("; ")}]` : "");
    const more = () => [entry.unheard && ` [${this.#words.notHeard}: ${entry.unheard}]`, entry.remark && ` [${entry.remark}]`, sources()];
    entry.plain = () => [`${name}: ${entry.text}`, ...more()].join("");
    return entry;
  }

  #note(kind, text, code = "") {
    this.#stay(() => {
      const node = make("div", { className: `note ${kind}` }, icon(), make("span", { textContent: text }));
      if (code) node.append(make("code", { textContent: code }));
      this.#add({ node, plain: () => `(${[text, code].filter(Boolean).join(" ")})` });
    });
  }

  #add(entry) {
    if (!this.#entries.length) this.#list.replaceChildren();
    this.#list.append(entry.node);
    this.#entries.push(entry);
    if (this.#entries.length > MOST_ENTRIES) this.#remove(this.#entries[0]);
    return entry;
  }

  #remove(entry) {
    entry.node.remove();
    this.#entries = this.#entries.filter((other) => other !== entry);
  }

  /** Changes the list, and keeps its end in sight if it was. */
  #stay(change) {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    const follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    change();
    if (follows) this.#list.scrollTop = this.#list.scrollHeight;
  }
}

/** A word on a turn, beside it. */
function mark(entry, kind, text, title = "") {
  entry.meta.append(make("span", { className: `chip ${kind}`, title }, icon(), make("span", { textContent: text })));
}

/** `next` as it follows `before`: clauses are parted by one space, but not in scripts that write none. */
function spaced(before, next) {
  const [last, first] = [before.at(-1), next.trimStart()];
  const dense = /[\u3000-\u9fff\uff00-\uffef]/;
  return !before || /\s/.test(last) || (dense.test(last) && dense.test(first[0])) ? first : ` ${first}`;
}
