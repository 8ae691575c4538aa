/**
 * A spoken conversation in a browser, over the OpenAI Realtime API with the `cleans2s.*` events of docs/realtime.md.
 *
 *     const voice = new Voice({ url: "wss://example.org/v1/realtime" });
 *     voice.addEventListener("state", ({ detail }) => show(detail.state));
 *     button.onclick = () => voice.start();
 *
 * Events, each with a `detail`:
 *   state    {state}: idle, connecting, listening, thinking, speaking, ducked, interrupted or reconnecting
 *   server   every event of the server, as it came
 *   levels   {user, agent}: loudness (RMS, 0 to 1), 20 times a second
 *   trip     {round_trip_ms}
 *   problem  {code, message}: microphone-refused, -missing or -busy, insecure-page, unsupported, busy, refused, lost, server
 */

import { Connection } from "./connection.js";
import { Problem, aborted } from "./endings.js";
import { Figures } from "./figures.js";
import { Floor } from "./floor.js";
import { Memory } from "./memory.js";
import { PCM, Sound } from "./sound.js";

const TELL_EVERY_MS = 90; // ticks come every 50 ms: this makes every second one a `cleans2s.playback`
const TOO_LATE = "response_cancel_not_active"; // the reply ended while the cancel was on its way
const EARLY_FRAMES = 150; // 3 s of what was said before there was a session: it is sent as soon as there is one
const LEAD_S = 0.6; // of sound that may wait here: it is dropped at once when the server says so
const MEMORY = "memory_"; // so the ids of questions about it begin; whoever asked shows what is wrong with them
const REFUSALS = { server_busy: "busy", invalid_api_key: "refused" }; // errors after which the server closes the connection

export class Voice extends EventTarget {
  #url;
  #token;
  #wishes = { type: "realtime", audio: { input: { format: PCM }, output: { format: PCM } } };
  #settings = { lead_s: LEAD_S };
  #asked = 0; // questions about memory
  #memory = new Memory();
  #figures = new Figures();
  #underruns = 0;
  #muted = false;
  #shown = "idle";
  #call = null; // all that lasts from `start` to `stop`

  /**
   * `url` and `token`: strings, or functions that give one (asked anew for every connection; that of the token may be async).
   * `settings`: what is configured from the beginning, such as `{ proactive: true }`.
   */
  constructor({ url, token, settings = {} }) {
    super();
    Object.assign(this.#settings, settings);
    this.#url = url;
    this.#token = token;
  }

  get state() {
    const call = this.#call;
    if (!call) return "idle";
    return call.connection.state === "open" ? call.floor.state : call.connection.state;
  }

  /** Call it from a click or a key. Gives whether the conversation began; if not, a `problem` has said why. */
  async start({ microphone = true } = {}) {
    this.#close();
    const ending = new AbortController();
    const { signal } = ending;
    const call = { ending, signal, early: [], toldItem: null, toldMs: 0, lastError: null };
    call.sound = new Sound({
      muted: this.#muted,
      signal,
      captured: (frame) => this.#captured(call, frame),
      played: (report) => this.#played(call, report),
      unplugged: (problem) => this.#complain(problem),
    });
    call.connection = new Connection({
      url: this.#url,
      token: this.#token,
      signal,
      heard: (event, arrivedMs) => this.#heard(call, event, arrivedMs),
      lost: () => this.#lost(call),
    });
    call.floor = new Floor({
      sound: call.sound,
      send: (event) => call.connection.send(event),
      changed: () => this.#show(),
    });
    this.#call = call;
    this.#show();
    try {
      // What is being opened may never come to an end once it was closed, so that the end itself is waited for as well.
      await Promise.race([this.#open(call, microphone), aborted(signal)]);
      return true;
    } catch (error) {
      this.#fail(call, error);
      return false;
    }
  }

  stop() {
    this.#close();
    this.#memory.clear();
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    if (this.#call) this.#call.sound.muted = muted;
  }

  /** Changes the session: any part of a Realtime session object. */
  update(session) {
    merge(this.#wishes, session);
    this.#send({ type: "session.update", session: { type: "realtime", ...session } });
  }

  configure(settings) {
    Object.assign(this.#settings, settings);
    this.#send({ type: "cleans2s.configure", settings });
  }

  /** Asks something about what is remembered: "list", "forget", …; the answer comes as an event. */
  remember(action, fields = {}) {
    this.#send({ type: `cleans2s.memory.${action}`, event_id: `${MEMORY}${++this.#asked}`, ...fields });
  }

  /** A typed turn. Without a connection it waits for the next one. */
  tell(text) {
    const floor = this.#call?.floor;
    floor?.cut();
    this.#send({ type: "conversation.item.create", item: this.#memory.wrote(text) });
    floor?.ask();
    this.#show();
  }

  interrupt() {
    this.#call?.floor.interrupt();
    this.#show();
  }

  /** Both sides as they sound: a MediaStream with the microphone on the left and the agent on the right. */
  tap() {
    const stream = this.#call?.sound.tap();
    if (!stream) throw new Error("nothing to tap: start the conversation first");
    return stream;
  }

  /** What was measured, in milliseconds; null where nothing was. `capture_ms` contains the 20 ms of a frame. */
  stats() {
    const { outputS, inputS } = this.#call?.sound.latency ?? {};
    return {
      ...this.#figures.percentiles(),
      output_latency_ms: outputS === undefined ? null : outputS * 1000,
      input_latency_ms: inputS === undefined ? null : inputS * 1000,
      underruns: this.#underruns,
    };
  }

  // Opening and closing

  async #open(call, microphone) {
    await call.sound.open(microphone);
    await new Promise((welcome) => {
      call.welcome = welcome;
      call.connection.stay().catch((error) => this.#fail(call, error)); // which ends the call, and so this wait
    });
  }

  #close() {
    const call = this.#call;
    if (!call) return;
    this.#call = null;
    call.ending.abort(); // the sound and the connection hang on this
    this.#show();
  }

  #fail(call, error) {
    if (call.signal.aborted) return; // whoever stopped it knows
    this.#close();
    if (error.message === call.lastError) return; // a server that says goodbye does it in an event, and again as it closes
    this.#complain(error instanceof Problem ? error : new Problem("unsupported", error.message));
  }

  #complain({ code, message }) {
    this.#emit("problem", { code, message });
  }

  #lost(call) {
    call.floor.drop();
    this.#show();
  }

  // What the server says, and what it is told

  #heard(call, event, arrivedMs) {
    this.#memory.server(event);
    call.floor.server(event, arrivedMs);
    if (event.type === "session.created") this.#greet(call);
    if (event.type === "cleans2s.pong") this.#time(performance.now() - Number(event.id));
    if (event.type === "error" && !overlooked(event.error)) this.#regret(call, event.error);
    this.#emit("server", event);
    this.#show();
  }

  /** The session is there: tells it what is wished, and what was said before the connection broke. */
  #greet(call) {
    this.#send({ type: "session.update", session: this.#wishes });
    // One by one: engines that cannot do one of them still take the others.
    for (const [name, value] of Object.entries(this.#settings)) this.#send({ type: "cleans2s.configure", settings: { [name]: value } });
    const said = this.#memory.again();
    for (const item of said) this.#send({ type: "conversation.item.create", item });
    if (said.at(-1)?.role === "user") call.floor.ask(); // the break, or the wait for it, came before the answer
    for (const audio of call.early.splice(0)) this.#send({ type: "input_audio_buffer.append", audio });
    call.welcome();
  }

  #time(round_trip_ms) {
    this.#figures.note("round_trip_ms", round_trip_ms);
    this.#emit("trip", { round_trip_ms });
  }

  #regret(call, { code, message }) {
    call.floor.forgo();
    call.lastError = message;
    this.#complain(new Problem(REFUSALS[code] ?? "server", message));
  }

  #send(event) {
    this.#call?.connection.send(event);
  }

  // What is heard on both sides

  #captured(call, { audio, takenMs }) {
    if (call.connection.state !== "open") {
      if (call.early.push(audio) > EARLY_FRAMES) call.early.shift();
      return;
    }
    this.#send({ type: "input_audio_buffer.append", audio });
    this.#figures.note("capture_ms", Date.now() - takenMs);
  }

  #played(call, { type, item, playedMs, level, name, ms }) {
    switch (type) {
      case "tick":
        this.#emit("levels", { user: call.sound.level, agent: level });
        if (item && (item !== call.toldItem || playedMs - call.toldMs >= TELL_EVERY_MS)) this.#tellPlayed(call, item, playedMs);
        break;
      case "ended":
        this.#tellPlayed(call, item, playedMs);
        call.floor.played(item);
        this.#show();
        break;
      case "underrun":
        this.#underruns++;
        break;
      case "measured":
        this.#figures.note(name, ms);
    }
  }

  #tellPlayed(call, item, playedMs) {
    [call.toldItem, call.toldMs] = [item, playedMs];
    this.#send({ type: "cleans2s.playback", item_id: item, played_ms: Math.round(playedMs) });
  }

  #show() {
    if (this.state === this.#shown) return;
    this.#shown = this.state;
    this.#emit("state", { state: this.#shown });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const overlooked = ({ code, event_id: id }) => code === TOO_LATE || id?.startsWith(MEMORY);

function merge(into, from) {
  for (const [name, value] of Object.entries(from)) {
    const deeper = value?.constructor === Object && into[name]?.constructor === Object;
    into[name] = deeper ? merge({ ...into[name] }, value) : value;
  }
  return into;
}
