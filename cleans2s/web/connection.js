/**
 * The line to the server: one WebSocket, and after it another, for as long as there is hope.
 *
 * A socket can be dead without being closed (a laptop slept, a phone changed from one network to the other). So the server
 * is pinged, and one that lets a ping go by without a word of any kind is taken for lost.
 */

import { Problem, aborted, pause } from "./endings.js";

const PING_EVERY_MS = 5000;
const SILENT_MS = 12_000; // two pings beyond the unanswered one: a mobile network may hold its breath for some seconds
const SETTLING_MS = 180_000; // messages are taken in turn, and another voice or recogniser has to be fetched and loaded
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const TRIES = 6;
const STEADY_MS = 10_000; // a connection that held so long is no part of a row of failures

const FAREWELLS = {
  refused: "The server refused the connection.",
  busy: "The server is busy.",
  server: "The server ended the conversation.",
  lost: "The connection to the server was lost.",
};

const SETTINGS = new Set(["session.update", "cleans2s.configure"]);
const SETTLED = new Set(["session.updated", "cleans2s.configured", "error"]);

export class Connection {
  #url;
  #token;
  #signal;
  #heard;
  #lost;
  #state = "connecting";
  #socket = null; // while there is a session at its other end
  #key; // that the last try was made with
  #settling = 0; // changes of settings that the server has not answered yet

  /**
   * `url`: a string, or a function that gives one. `token`: the same, or an async one. `signal` ends it all. `heard` is called with every event and the
   * time of its arrival, `lost` whenever a socket is gone.
   */
  constructor({ url, token, signal, heard, lost }) {
    this.#url = typeof url === "function" ? url : () => url;
    this.#token = token;
    this.#signal = signal;
    this.#heard = heard;
    this.#lost = lost;
  }

  /** connecting, open (between session.created and the loss of that session) or reconnecting */
  get state() {
    return this.#state;
  }

  /** Drops the event where there is no session. */
  send(event) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    if (SETTINGS.has(event.type)) this.#settling++;
    this.#socket.send(JSON.stringify(event));
  }

  /** Connects, again and again. Never resolves; rejects with the Problem for which it gave up, or when the signal aborts. */
  async stay() {
    for (let failures = 0; ; failures++) {
      const { code, reason, heldMs } = await this.#hold();
      this.#signal.throwIfAborted();
      this.#socket = null;
      this.#settling = 0;
      if (this.#state === "open") this.#state = "reconnecting";
      this.#lost();
      const farewell = { 1000: "server", 1008: "refused", 1013: "busy" }[code] ?? (code >= 4000 ? "server" : null);
      if (farewell) throw new Problem(farewell, reason || FAREWELLS[farewell]);
      const refusal = heldMs === undefined ? await this.#askWhyRefused() : null;
      // A server that starts anew says for a while that it is busy: no reason to give up a conversation that had begun.
      if (refusal && (refusal.code === "refused" || this.#state === "connecting")) throw refusal;
      if (heldMs > STEADY_MS) failures = 0;
      if (failures === TRIES) throw refusal ?? new Problem("lost", FAREWELLS.lost);
      await pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures), this.#signal);
    }
  }

  /** One socket, from its first try to its end: {code, reason, heldMs}, the last one missing if it never opened. */
  async #hold() {
    try {
      this.#key = await (typeof this.#token === "function" ? this.#token() : this.#token);
    } catch (error) {
      return { code: 1006, reason: error.message }; // where keys come from is as far away as the server
    }
    this.#signal.throwIfAborted();
    if (this.#key && !/^[\w!#$%&'*+.^`|~-]+$/.test(this.#key)) {
      throw new Problem("refused", "The key has characters that a browser cannot send."); // its own error would show the key
    }
    const protocols = this.#key ? ["realtime", `openai-insecure-api-key.${this.#key}`] : ["realtime"];
    const socket = new WebSocket(this.#url(), protocols);
    let openedMs;
    let pings;
    let silence = null; // runs from a ping to the next word of the server
    socket.onopen = () => (openedMs = performance.now());
    const ended = new Promise((resolve) => {
      const ping = () => {
        this.send({ type: "cleans2s.ping", id: String(performance.now()) });
        silence ??= setTimeout(resolve, this.#settling ? SETTLING_MS : SILENT_MS, { code: 1006 });
      };
      socket.onclose = resolve;
      socket.onmessage = ({ data }) => {
        if (this.#signal.aborted) return;
        const arrivedMs = Date.now(); // not performance.now(): worklets have no other clock
        clearTimeout(silence);
        silence = null;
        const event = JSON.parse(data);
        if (SETTLED.has(event.type)) this.#settling = Math.max(0, this.#settling - 1);
        if (event.type !== "session.created") return this.#heard(event, arrivedMs);
        this.#socket = socket;
        this.#state = "open";
        this.#heard(event, arrivedMs);
        clearInterval(pings);
        pings = setInterval(ping, PING_EVERY_MS);
        ping();
      };
    });
    try {
      const { code, reason } = await Promise.race([ended, aborted(this.#signal)]);
      return { code, reason, heldMs: openedMs && performance.now() - openedMs };
    } finally {
      socket.onmessage = null; // what a dead socket still brings belongs to no session
      clearInterval(pings);
      clearTimeout(silence);
      socket.close(1000);
    }
  }

  /** A refused handshake is invisible to pages; the same address answers a plain request with the reason. */
  async #askWhyRefused() {
    const headers = this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
    const url = String(new URL(this.#url(), location.href)).replace(/^ws/, "http");
    const answer = await fetch(url, { headers, cache: "no-store", signal: this.#signal }).catch(() => null);
    const code = { 401: "refused", 403: "refused", 503: "busy" }[answer?.status];
    if (!code) return null;
    const { error } = await answer.json().catch(() => ({}));
    return new Problem(code, error?.message ?? FAREWELLS[code]);
  }
}
