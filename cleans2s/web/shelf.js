// The documents of this person on the server, for every part of the page: what is there, what is on its way, and changing it.
// There is one Shelf for a server in a page, so that all parts show the same; other tabs are told of what changes.

const KEY = "cleans2s.documents";
const CHANNEL = "cleans2s.documents";
const NUMBER = /^[0-9a-f]{32,48}$/;
const BUSY_MS = 400; // between two looks while the server works
const IDLE_MS = 15_000; // and while it does not: somebody else may change the server's own documents
const NOTHING = { version: "", documents: [], count: 0, passages: 0, work: [], told: [], problem: "", shared: false, changeable: true, renewable: true, limits: {} };

const shelves = new Map(); // base → its shelf

/** `base` is the server's address with a slash at its end; `token` a string, or an async function that gives one. */
export function shelfOf(base, token) {
  if (!shelves.has(base)) shelves.set(base, new Shelf(base, token));
  return shelves.get(base);
}

/** Tells every `change` by an event; `state` is what the server said last, with the files that are on their way to it. */
export class Shelf extends EventTarget {
  #base;
  #token;
  #known = read(); // {number, on}
  #listed = NOTHING;
  #loaded = false; // whether the server has said anything yet
  #sending = []; // {id, name, size, share, state, words, file}
  #away = null; // why the server could not be asked, in its words or ""
  #timer = null;
  #asked = 0; // looks: only the answer to the latest counts
  #others;

  constructor(base, token = "") {
    super();
    this.#base = `${base}cleans2s/documents`;
    this.#token = token;
    this.#others = "BroadcastChannel" in window ? new BroadcastChannel(CHANNEL) : null;
    this.#others?.addEventListener("message", () => this.look());
    window.addEventListener("storage", ({ key }) => key === KEY && this.#adopt());
    window.addEventListener("beforeunload", (event) => this.#sending.some(onTheWay) && event.preventDefault());
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    this.look();
  }

  /** {documents, count, passages, work, told, problem, shared, changeable, renewable, limits, sending, away, loaded} */
  get state() {
    return { ...this.#listed, sending: this.#sending, away: this.#away, loaded: this.#loaded };
  }

  /** This browser's number; "" for one that has brought nothing yet. */
  get number() {
    return this.#known.number;
  }

  /** Whether conversations look in them. */
  get on() {
    return this.#known.on;
  }

  set on(on) {
    this.#know({ on });
    this.#changed();
  }

  /** What a conversation is to be told of it (`cleans2s.configure`). */
  get setting() {
    const { shared, count } = this.#listed;
    if (!this.on || !count) return false;
    return shared || this.number;
  }

  // Looking

  async look() {
    const asked = ++this.#asked;
    const found = await this.#ask(`?known=${this.#listed.version}`, { method: "GET" }).then((listed) => ({ listed, away: null }), (error) => ({ away: why(error) }));
    if (asked !== this.#asked) return; // something newer is known, or asked
    this.#listed = { ...this.#listed, ...found.listed }; // documents are left out as long as they are the same
    this.#loaded ||= Boolean(found.listed);
    this.#away = found.away;
    this.#changed();
    this.#follow();
  }

  #follow() {
    clearTimeout(this.#timer);
    if (!document.hidden || this.#busy) this.#timer = setTimeout(() => this.look(), this.#busy ? BUSY_MS : IDLE_MS);
  }

  get #busy() {
    return this.#listed.work.length > 0;
  }

  /** What the server said of a change. */
  #take(listed) {
    this.#loaded = true;
    this.#asked++; // answers that are still on their way are older
    this.#listed = listed;
    this.#away = null;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }

  // Changing

  /** Files as the browser gives them. Each is sent, or says why not. */
  add(files) {
    if (!this.#known.number) this.#adopt() || this.#know({ number: drawn() });
    const { limits } = this.#listed;
    for (const file of files) {
      const sent = { id: crypto.randomUUID?.() ?? drawn(), name: file.name, size: file.size, share: 0, state: "waiting", words: "", file };
      if (limits.file_bytes && file.size > limits.file_bytes) Object.assign(sent, { state: "tooLarge", file: null });
      this.#sending.push(sent);
    }
    this.#changed();
    this.#send();
  }

  /** Documents, files on their way, or sentences, by their ids. */
  async remove(ids) {
    const wanted = new Set(ids);
    for (const sent of this.#sending) if (wanted.has(sent.id)) sent.request?.abort();
    const ours = this.#sending.filter((sent) => wanted.has(sent.id));
    this.#sending = this.#sending.filter((sent) => !wanted.has(sent.id));
    this.#changed();
    if (ours.length < ids.length) await this.#change("/remove", { ids: ids.filter((id) => !ours.some((sent) => sent.id === id)) });
  }

  async again(id) {
    const ours = this.#sending.find((sent) => sent.id === id);
    if (!ours) return this.#change("/again", { ids: [id] });
    Object.assign(ours, { state: "waiting", words: "", share: 0 });
    this.#changed();
    this.#send();
  }

  renew() {
    return this.#change("/renew", {});
  }

  /** The server's lines on a question, as they come. Throws an Error with its sentence. */
  async *compare(question, { profile = "", signal } = {}) {
    const query = profile ? `?profile=${encodeURIComponent(profile)}` : "";
    const body = JSON.stringify({ question });
    const answer = await this.#fetch(`/compare${query}`, { method: "POST", body, signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      const lines = (rest + (value ?? "")).split("\n");
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
      if (done) return;
    }
  }

  /** The words of a recording (a Blob). */
  async transcribe(recording, signal) {
    const form = new FormData();
    form.append("file", recording, "question.wav");
    form.append("model", "cleans2s");
    const url = this.#base.replace(/cleans2s\/documents$/, "v1/audio/transcriptions");
    return (await (await this.#fetch("", { method: "POST", body: form, signal, url })).json()).text.trim();
  }

  async #change(path, body) {
    try {
      this.#take(await this.#ask(path, { method: "POST", body: JSON.stringify(body) }));
      this.#others?.postMessage("changed");
    } catch (error) {
      this.#away = why(error);
    }
    this.#changed();
    this.#follow();
  }

  // Sending

  /** One after the other, so that they arrive in their order. */
  #send() {
    if (this.#sending.some(({ state }) => state === "sending")) return;
    const next = this.#sending.find(({ state }) => state === "waiting");
    if (next) this.#sendOne(next);
  }

  async #sendOne(sent) {
    sent.state = "sending";
    try {
      const headers = await this.#headers();
      const listed = await new Promise((resolve, reject) => {
        const request = (sent.request = new XMLHttpRequest()); // fetch does not say how much has been sent
        request.open("POST", this.#base);
        for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
        request.setRequestHeader("Cleans2s-Name", encodeURIComponent(sent.name.toWellFormed?.() ?? sent.name));
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.upload.onprogress = ({ loaded, total }) => {
          sent.share = total ? loaded / total : 1;
          this.#changed();
        };
        request.onload = () => (request.status < 300 ? resolve(JSON.parse(request.response)) : reject(new Refused(sentence(request.response), request.status)));
        request.onerror = () => reject(new Error(""));
        request.onabort = () => resolve(null);
        request.send(sent.file);
      });
      this.#sending = this.#sending.filter((other) => other !== sent);
      if (listed) this.#take(listed);
      this.#others?.postMessage("changed");
    } catch (error) {
      // What was dropped may be a folder, or gone from the disk by now: the browser says no more than that it failed.
      Object.assign(sent, { state: error.status < 500 ? "refused" : "unsent", words: error.message });
    }
    this.#changed();
    this.#follow();
    this.#send();
  }

  // Asking the server

  async #headers() {
    const token = await (typeof this.#token === "function" ? this.#token() : this.#token);
    return {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(this.number && { "Cleans2s-Shelf": this.number }),
    };
  }

  async #ask(path, options) {
    return await (await this.#fetch(path, options)).json();
  }

  async #fetch(path, { url = `${this.#base}${path}`, ...options }) {
    const answer = await fetch(url, { cache: "no-store", ...options, headers: await this.#headers() });
    if (!answer.ok) throw new Refused(sentence(await answer.text()), answer.status);
    return answer;
  }

  // Who this is

  #know(what) {
    this.#known = { ...this.#known, ...what };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#known));
    } catch {
      // A browser that keeps nothing: it holds as long as the page.
    }
  }

  /** Takes over what another tab has drawn; whether there was anything. */
  #adopt() {
    const known = read();
    const news = known.number && known.number !== this.#known.number;
    if (known.number) this.#known = known;
    if (news) this.look();
    else this.#changed();
    return Boolean(news);
  }
}

/** Said by the server, or by what stands before it. */
class Refused extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

/** In the server's words; "" where it is out of reach: the browser's own say nothing to people. */
const why = (error) => (error instanceof Refused ? error.message : "");

const onTheWay = ({ state }) => state === "sending" || state === "waiting";

function sentence(body) {
  try {
    return JSON.parse(body).error.message;
  } catch {
    return body.replace(/<[^>]*>/g, " ").trim().slice(0, 200); // a proxy's page
  }
}

function drawn() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function read() {
  try {
    const { number = "", on = true } = JSON.parse(localStorage.getItem(KEY)) ?? {};
    if (number === "" || NUMBER.test(number)) return { number, on: on === true };
  } catch {
    // Nothing is kept here, or nothing that makes sense.
  }
  return { number: "", on: true };
}
