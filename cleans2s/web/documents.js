// The documents in the person's hands: dropped, seen as they are taken in, removed, read again. Everything that is wrong with
// a file stands here as a sentence until it is put away. What files are called is text, whatever is written in it.

import { moment } from "./block.js";
import { buttons, icon, make } from "./dom.js";

const MB = 1e6;
const MOST_DROPPED = 500; // of a folder
const MANY = 4; // sentences, from which on all are put away at once

export class Documents {
  #shelf;
  #words;
  #lang;
  #place;
  #parts;
  #gone = new AbortController();

  /** `place` is a details element; files may be dropped anywhere on `target`. */
  constructor(place, words, shelf, target = place) {
    this.#shelf = shelf;
    this.#words = words.documents;
    this.#lang = words.lang;
    this.#place = place;
    this.#build();
    this.#receive(target);
    shelf.addEventListener("change", () => this.#show(), { signal: this.#gone.signal });
    this.#show();
  }

  destroy() {
    this.#gone.abort();
  }

  // Building

  #build() {
    const words = this.#words;
    const button = buttons(words);
    const input = make("input", { type: "file", multiple: true, hidden: true });
    input.addEventListener("change", () => {
      this.#shelf.add([...input.files]);
      input.value = ""; // the same one may be chosen again
    });
    const kinds = make("small");
    const drop = make("div", { className: "drop" }, icon(), make("span", {}, make("b", { textContent: words.drop }), ` ${words.or} `), button("choose", () => input.click()), kinds, input);
    const sure = make(
      "div",
      { className: "sure", role: "alertdialog", ariaLabel: words.sure, hidden: true },
      make("span", { textContent: words.sure }),
      button("yes", () => {
        sure.hidden = true;
        this.#shelf.remove(this.#shelf.state.documents.map(({ id }) => id));
      }),
      button("no", () => (sure.hidden = true)),
    );
    const tools = make("div", { className: "tools" }, button("renew", () => this.#shelf.renew()), button("removeAll", () => (sure.hidden = false)));
    const count = make("small", { className: "count" });
    const told = make("p", { className: "hint" });
    const wrong = make("div", { className: "problems", role: "status" });
    const work = make("ul", { className: "work" });
    const dismiss = button("dismissAll", () => this.#shelf.remove(this.#told()));
    const said = make("p", { className: "unseen", role: "status" });
    const rows = make("ul", { className: "rows" });
    this.#parts = { count, drop, kinds, told, wrong, work, dismiss, said, rows, tools, sure };
    const title = make("span", { className: "title-of", textContent: words.title });
    const head = make("summary", {}, title, count);
    this.#place.classList.add("documents");
    this.#place.replaceChildren(head, drop, told, wrong, work, dismiss, said, rows, tools, sure);
  }

  /** What stands there until it is put away, by its ids. */
  #told() {
    const { sending, told } = this.#shelf.state;
    return [...sending.filter(({ state }) => state !== "sending" && state !== "waiting"), ...told].map(({ id }) => id);
  }

  /** Files that are let go of over `target`; folders are looked through. */
  #receive(target) {
    const { signal } = this.#gone;
    const carries = (event) => event.dataTransfer?.types.includes("Files") && this.#shelf.state.changeable;
    const mark = (over) => target.classList.toggle("dropping", over);
    const over = (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      mark(true);
    };
    target.addEventListener("dragenter", over, { signal });
    target.addEventListener("dragover", over, { signal });
    target.addEventListener("dragleave", (event) => target.contains(event.relatedTarget) || mark(false), { signal });
    target.addEventListener(
      "drop",
      async (event) => {
        mark(false);
        if (!carries(event)) return;
        event.preventDefault();
        this.#place.open = true;
        this.#shelf.add(await filesOf(event.dataTransfer));
      },
      { signal },
    );
  }

  // Showing

  #show() {
    const { documents, count: all, passages, work, told, problem, shared, changeable, renewable, limits, sending, away, loaded } = this.#shelf.state;
    const words = this.#words;
    const { count, kinds, drop, wrong, tools, sure, said } = this.#parts;
    const reading = new Set(work.map(({ name }) => name)); // it has arrived, and the answer is still on its way
    const mine = sending.filter(({ name, share, state }) => !(state === "sending" && share === 1 && reading.has(name)));
    const going = [...mine.filter(({ state }) => state === "sending" || state === "waiting"), ...work.filter(({ kind }) => kind !== "remove")];
    text(count, !loaded ? "" : all ? words.count(all, passages) : words.none);
    text(kinds, words.kinds(Math.round((limits.file_bytes ?? 50 * MB) / MB)));
    text(this.#parts.told, shared ? `${words.shared}${changeable ? "" : ` ${words.fixed}`}` : words.told);
    drop.hidden = !changeable;
    const mends = problem && renewable ? ` ${words.mend}` : "";
    const complaints = [away !== null && words.away(away), problem && words.wrong(problem) + mends].filter(Boolean);
    if (wrong.textContent !== complaints.join("")) wrong.replaceChildren(...complaints.map((complaint) => make("p", { className: "told-now wrong", textContent: complaint })));
    this.#list(this.#parts.work, [...mine, ...work.filter(({ kind }) => kind !== "remove"), ...told], (row) => this.#work(row));
    const leaving = new Set(work.flatMap(({ kind, documents: ids }) => (kind === "remove" ? ids : [])));
    this.#list(this.#parts.rows, documents.map((row) => ({ ...row, leaving: leaving.has(row.id) })), (row) => this.#document(row, changeable));
    tools.hidden = !renewable || !(documents.length || problem);
    tools.querySelector(".removeAll").hidden = !changeable;
    if (tools.hidden) sure.hidden = true;
    this.#parts.dismiss.hidden = this.#told().length < MANY;
    this.#place.classList.toggle("busy", going.length > 0);
    text(said, going.length ? "" : !loaded ? "" : count.textContent); // read aloud once all is done
  }

  /** Rows by their ids: those that are the same stay, and the keyboard's place goes to the next one where a row goes. */
  #list(list, items, row) {
    const at = [...list.children].findIndex((node) => node.contains(document.activeElement));
    const there = new Map([...list.children].map((node) => [node.dataset.id, node]));
    items.forEach((item, place) => {
      const now = JSON.stringify({ ...item, file: undefined, request: undefined });
      let node = there.get(item.id);
      there.delete(item.id);
      if (node?.dataset.now !== now) {
        const made = row(item, node);
        made.dataset.id = item.id;
        made.dataset.now = now;
        if (node && node !== made) node.replaceWith(made);
        node = made;
      }
      if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
    });
    for (const [, node] of there) node.remove();
    if (at < 0 || list.contains(document.activeElement)) return;
    const buttons = [...list.children].map((node) => node.querySelector("button"));
    const next = buttons.slice(at).find(Boolean) ?? buttons.findLast(Boolean) ?? this.#place.querySelector("summary");
    next.focus();
  }

  #tool(kind, name, then) {
    const made = make("button", { className: `row-tool ${kind}`, type: "button", title: name, ariaLabel: name }, icon());
    made.addEventListener("click", then);
    return made;
  }

  /** A file that is on its way, being read, or was refused. */
  #work({ id, kind, name, state, share, size, words: why }, node) {
    const words = this.#words;
    const limit = Math.round((this.#shelf.state.limits.file_bytes ?? 0) / MB);
    const complaint = {
      tooLarge: () => words.tooLarge(name, Math.round(size / MB), limit),
      unsent: () => (why ? words.refused(`${name}: ${why}`) : words.unsent(name)),
      refused: () => words.refused(why),
      failed: () => words.refused(why),
      noted: () => words.noted(why),
    }[state];
    if (complaint) {
      const again = make("button", { className: "button small again", type: "button", textContent: words.again });
      again.addEventListener("click", () => this.#shelf.again(id));
      const line = make("li", { className: `told ${state === "noted" ? "noted" : "wrong"}` }, icon(), make("span", { dir: "auto", textContent: complaint() }));
      if (state === "unsent" || state === "failed") line.append(again);
      line.append(this.#tool("dismiss-row", words.dismiss, () => this.#shelf.remove([id])));
      line.setAttribute("role", "alert");
      return line;
    }
    const percent = Math.round(100 * (share ?? 0));
    const how = { waiting: words.waiting, sending: words.sending }[state] ?? (share === null ? words.reading : words.embedding(percent));
    const line = node?.querySelector("progress") ? node : this.#going(id, kind, name);
    text(line.querySelector(".how"), how);
    const bar = line.querySelector("progress");
    if (state === "waiting" || share === null) bar.removeAttribute("value");
    else bar.value = share;
    bar.hidden = state === "waiting";
    return line;
  }

  #going(id, kind, name) {
    const words = this.#words;
    const called = kind === "renew" ? words.renewing : name;
    const bar = make("progress", { max: 1, ariaLabel: called });
    const what = make("span", { className: "what" }, make("b", { dir: "auto", textContent: called }), make("small", { className: "how" }));
    const line = make("li", { className: "going" }, what, bar);
    if (kind !== "renew") line.append(this.#tool("dismiss-row", words.stop(name), () => this.#shelf.remove([id])));
    return line;
  }

  #document({ id, names, title, kind, url, passages, added, leaving }, changeable) {
    const words = this.#words;
    const name = names.join(", ");
    const shown = title && !names.some((each) => each === title || each.replace(/\.[^.]*$/, "") === title) ? title : "";
    const facts = [shown && name, words.passages(passages), leaving ? words.removing : moment(added, this.#lang)];
    const what = make("span", { className: "what" }, make("b", { dir: "auto", textContent: shown || name }));
    what.append(make("small", { dir: "auto", textContent: facts.filter(Boolean).join(" · ") }));
    const line = make("li", { className: leaving ? "entry leaving" : "entry" }, make("span", { className: "kind", textContent: kind }), what);
    if (url) line.title = url;
    if (changeable && !leaving) line.append(this.#tool("forget", words.remove(name), () => this.#shelf.remove([id])));
    return line;
  }
}

function text(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

/** The files of a drop, those in folders too. What the browser tells has to be asked at once, before anything is awaited. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some(({ isDirectory }) => isDirectory)) return files;
  const found = [];
  const walk = async (entry) => {
    if (found.length >= MOST_DROPPED || entry.name.startsWith(".")) return;
    if (entry.isFile) return void found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const each of some) await walk(each);
    }
  };
  for (const entry of entries) await walk(entry).catch(() => {}); // what cannot be read there is left out
  return found;
}
