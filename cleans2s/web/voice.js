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

const WIRE_HZ = 24_000;
const PCM = { type: "audio/pcm", rate: WIRE_HZ };
const INTERRUPTED_MS = 800; // long enough to be seen
const TELL_EVERY_MS = 90; // ticks come every 50 ms: this makes every second one a `cleans2s.playback`
const PING_EVERY_MS = 5000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const TRIES = 6;
const STEADY_MS = 10_000; // a connection that held so long is no part of a row of failures
const REMEMBERED_ITEMS = 40;
const KEPT_FIGURES = 500;

const MICROPHONE_PROBLEMS = {
  NotAllowedError: ["microphone-refused", "The browser was not allowed to use the microphone."],
  SecurityError: ["microphone-refused", "This page may not use the microphone."],
  NotFoundError: ["microphone-missing", "No microphone was found."],
  OverconstrainedError: ["microphone-missing", "No suitable microphone was found."],
  NotReadableError: ["microphone-busy", "The microphone could not be opened; another program may be using it."],
  AbortError: ["microphone-busy", "The microphone could not be opened."],
};

const FAREWELLS = {
  refused: "The server refused the connection.",
  busy: "The server is busy.",
  server: "The server ended the conversation.",
  lost: "The connection to the server was lost.",
};

class Problem extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Voice extends EventTarget {
  #url;
  #token;
  #wishes = { type: "realtime", audio: { input: { format: PCM }, output: { format: PCM } } };
  #settings = {};
  #said = new Map(); // item id → {role, text, cut?}, in the order of the conversation
  #typed = 0;
  #muted = false;
  #shown = "idle";
  #call = null; // all that `start` opened, and `stop` closes
  #figures = { capture_ms: [], receive_to_render_ms: [], round_trip_ms: [], duck_ms: [] };
  #underruns = 0;

  /** `token`: a string, or an async function that gives one (asked anew for every connection). */
  constructor({ url, token }) {
    super();
    this.#url = url;
    this.#token = token;
  }

  get state() {
    const call = this.#call;
    if (!call) return "idle";
    if (!call.socket) return call.welcomed ? "reconnecting" : "connecting";
    if (call.sounding.size > 0 || call.reply?.sounds) return call.ducked ? "ducked" : "speaking";
    if (call.interruption) return "interrupted";
    return call.reply || call.owed ? "thinking" : "listening";
  }

  /** Call it from a click or a key. Gives whether the conversation began; if not, a `problem` has said why. */
  async start({ microphone = true } = {}) {
    this.#close();
    const ending = new AbortController();
    // owed: a turn has ended, and no response has begun. sounding: the items in the playback buffer.
    const call = { ending, signal: ending.signal, tracks: [], sounding: new Set(), level: 0, toldMs: 0 };
    this.#call = call;
    this.#show();
    try {
      // What is being opened may never come to an end once it was closed, so that the end itself is waited for as well.
      await Promise.race([this.#open(call, microphone), aborted(call.signal)]);
      return true;
    } catch (error) {
      this.#fail(call, error);
      return false;
    }
  }

  stop() {
    this.#close();
    this.#said.clear();
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    for (const track of this.#call?.tracks ?? []) track.enabled = !muted; // the browser shows it too
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

  /** A typed turn. Without a connection it waits for the next one. */
  tell(text) {
    this.#cutReply();
    const id = `typed_${++this.#typed}`;
    this.#said.set(id, { role: "user", text });
    this.#send({ type: "conversation.item.create", item: itemOf(id, { role: "user", text }) });
    this.#askForReply();
    this.#show();
  }

  interrupt() {
    if (this.#cutReply()) this.#showInterruption();
    this.#show();
  }

  /** Both sides as they sound: a MediaStream with the microphone on the left and the agent on the right. */
  tap() {
    const call = this.#call;
    if (!call?.playback) throw new Error("nothing to tap: start the conversation first");
    if (!call.tap) {
      call.tap = new MediaStreamAudioDestinationNode(call.context, { channelCount: 2 });
      const sides = new ChannelMergerNode(call.context, { numberOfInputs: 2 });
      call.source?.connect(sides, 0, 0);
      call.playback.connect(sides, 0, 1);
      sides.connect(call.tap);
    }
    return call.tap.stream;
  }

  /** What was measured, in milliseconds; null where nothing was. `capture_ms` contains the 20 ms of a frame. */
  stats() {
    const { context, tracks } = this.#call ?? {};
    const outputS = context && (context.outputLatency || context.baseLatency);
    const inputS = tracks?.[0]?.getSettings().latency;
    return {
      ...Object.fromEntries(Object.entries(this.#figures).map(([name, values]) => [name, percentiles(values)])),
      output_latency_ms: outputS === undefined ? null : outputS * 1000,
      input_latency_ms: inputS === undefined ? null : inputS * 1000,
      underruns: this.#underruns,
    };
  }

  // Opening and closing

  async #open(call, microphone) {
    if (!isSecureContext || (microphone && !navigator.mediaDevices)) {
      throw new Problem("insecure-page", "Browsers give sound only to pages that came over https or from localhost.");
    }
    if (!window.AudioWorkletNode) throw new Problem("unsupported", "This browser has no audio worklets.");
    // Safari lets a context sound only if it was made within the user's gesture: before anything is awaited.
    const context = (call.context = new AudioContext({ latencyHint: "interactive" }));
    const wake = () => ["suspended", "interrupted"].includes(context.state) && context.resume().catch(() => {});
    wake();
    context.addEventListener("statechange", wake, { signal: call.signal });
    document.addEventListener("visibilitychange", wake, { signal: call.signal });
    const [stream] = await Promise.all([
      microphone && this.#askForMicrophone(call),
      context.audioWorklet.addModule(new URL("capture.js", import.meta.url)),
      context.audioWorklet.addModule(new URL("playback.js", import.meta.url)),
    ]);
    call.signal.throwIfAborted();
    // Connected to the loudspeaker, where it is silent, as browsers may leave a node asleep that leads nowhere.
    call.capture = new AudioWorkletNode(context, "cleans2s-capture", { channelCount: 1, channelCountMode: "explicit" });
    call.capture.port.onmessage = ({ data }) => this.#captured(call, data);
    call.capture.connect(context.destination);
    if (stream) {
      call.source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
      call.source.connect(call.capture);
    }
    call.playback = new AudioWorkletNode(context, "cleans2s-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    call.playback.port.onmessage = ({ data }) => this.#played(call, data);
    call.playback.connect(context.destination);
    await new Promise((resolve, reject) => {
      this.#stayConnected(call, resolve).catch((error) => (call.welcomed ? this.#fail(call, error) : reject(error)));
    });
  }

  async #askForMicrophone(call) {
    try {
      const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      call.tracks = stream.getTracks();
      for (const track of call.tracks) {
        track.enabled = !this.#muted;
        if (call.signal.aborted) track.stop();
      }
      call.tracks[0].onended = () => this.#complain(new Problem("microphone-missing", "The microphone was unplugged."));
      return stream;
    } catch (error) {
      throw new Problem(...(MICROPHONE_PROBLEMS[error.name] ?? ["unsupported", error.message]));
    }
  }

  #close() {
    const call = this.#call;
    if (!call) return;
    this.#call = null;
    clearTimeout(call.interruption);
    call.ending.abort(); // the socket, the timers and the listeners hang on this
    call.tracks.forEach((track) => track.stop());
    call.context?.close();
    this.#show();
  }

  #fail(call, error) {
    if (call.signal.aborted) return; // whoever stopped it knows
    this.#close();
    this.#complain(error instanceof Problem ? error : new Problem("unsupported", error.message));
  }

  #complain({ code, message }) {
    this.#emit("problem", { code, message });
  }

  // The connection

  async #stayConnected(call, welcome) {
    for (let failures = 0; ; failures++) {
      const { code, reason, heldMs } = await this.#connection(call, welcome);
      call.signal.throwIfAborted();
      call.socket = null;
      this.#dropReply(call);
      this.#show();
      const farewell = { 1000: "server", 1008: "refused", 1013: "busy" }[code] ?? (code >= 4000 ? "server" : null);
      if (farewell) throw new Problem(farewell, reason || FAREWELLS[farewell]);
      const refusal = heldMs === undefined ? await this.#askWhyRefused(call) : null;
      // A server that starts anew says for a while that it is busy: no reason to give up a conversation that had begun.
      if (refusal && (refusal.code === "refused" || !call.welcomed)) throw refusal;
      if (heldMs > STEADY_MS) failures = 0;
      if (failures === TRIES) throw refusal ?? new Problem("lost", FAREWELLS.lost);
      await pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures), call.signal);
    }
  }

  /** One socket, from its first try until it has closed: {code, reason, heldMs}, the last one missing if it never opened. */
  async #connection(call, welcome) {
    let token;
    try {
      token = call.token = await (typeof this.#token === "function" ? this.#token() : this.#token);
    } catch (error) {
      return { code: 1006, reason: error.message }; // where keys come from is as far away as the server
    }
    call.signal.throwIfAborted();
    if (token && !/^[\w!#$%&'*+.^`|~-]+$/.test(token)) {
      throw new Problem("refused", "The key has characters that a browser cannot send."); // its own error would show the key
    }
    const socket = new WebSocket(this.#url, token ? ["realtime", `openai-insecure-api-key.${token}`] : ["realtime"]);
    const ended = new AbortController();
    const end = () => socket.close(1000);
    call.signal.addEventListener("abort", end);
    let openedMs;
    return new Promise((resolve) => {
      socket.onopen = () => (openedMs = performance.now());
      socket.onmessage = ({ data }) => {
        if (call.signal.aborted) return;
        const arrivedMs = Date.now(); // not performance.now(): worklets have no other clock
        const event = JSON.parse(data);
        if (event.type === "session.created") this.#greet(call, socket, ended.signal, welcome);
        this.#hear(call, event, arrivedMs);
        this.#emit("server", event);
        this.#show();
      };
      socket.onclose = ({ code, reason }) => {
        call.signal.removeEventListener("abort", end);
        ended.abort();
        resolve({ code, reason, heldMs: openedMs && performance.now() - openedMs });
      };
    });
  }

  /** A refused handshake is invisible to pages; the same address answers a plain request with the reason. */
  async #askWhyRefused(call) {
    const headers = call.token ? { Authorization: `Bearer ${call.token}` } : {};
    const url = String(new URL(this.#url, location.href)).replace(/^ws/, "http");
    const answer = await fetch(url, { headers, cache: "no-store", signal: call.signal }).catch(() => null);
    const code = { 401: "refused", 403: "refused", 503: "busy" }[answer?.status];
    if (!code) return null;
    const { error } = await answer.json().catch(() => ({}));
    return new Problem(code, error?.message ?? FAREWELLS[code]);
  }

  /** The session is there: tells it what is wished, and what was said before the connection broke. */
  #greet(call, socket, ended, welcome) {
    call.socket = socket;
    call.welcomed = true;
    this.#send({ type: "session.update", session: this.#wishes });
    if (Object.keys(this.#settings).length) this.#send({ type: "cleans2s.configure", settings: this.#settings });
    // A server may count its items anew in every session; names of our own cannot meet the new ones.
    const said = [...this.#said.values()].filter(({ text }) => text).slice(-REMEMBERED_ITEMS);
    this.#said = new Map(said.map((item, i) => [`again_${i + 1}`, item]));
    for (const [id, item] of this.#said) this.#send({ type: "conversation.item.create", item: itemOf(id, item) });
    if (said.at(-1)?.role === "user") this.#askForReply(); // the break, or the wait for it, came before the answer
    const ping = () => this.#send({ type: "cleans2s.ping", id: String(performance.now()) });
    const pings = setInterval(ping, PING_EVERY_MS);
    for (const signal of [call.signal, ended]) signal.addEventListener("abort", () => clearInterval(pings), { once: true });
    ping();
    welcome();
  }

  #send(event) {
    const socket = this.#call?.socket;
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
  }

  // What the server says

  #hear(call, event, arrivedMs) {
    const speaking = call.sounding.size > 0 || call.reply?.sounds;
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        call.owed = false;
        if (speaking) this.#yield(call);
        break;
      case "input_audio_buffer.speech_stopped":
        call.owed = true;
        break;
      case "input_audio_buffer.committed":
        call.owed = true;
        this.#remember(event.item_id, "user", ""); // its place: the words may come after the reply has begun
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.#remember(event.item_id, "user", event.transcript);
        break;
      case "conversation.item.input_audio_transcription.failed":
      case "cleans2s.ignored":
      case "cleans2s.failed":
        call.owed = false;
        break;
      case "conversation.item.deleted":
        this.#said.delete(event.item_id);
        break;
      case "response.created":
        call.owed = false;
        call.reply = { id: event.response.id, sounds: false };
        break;
      case "response.output_audio.delta":
        this.#play(call, event, arrivedMs);
        break;
      case "response.output_audio.done":
        call.playback.port.postMessage({ type: "end", item: event.item_id });
        break;
      case "response.output_audio_transcript.done":
      case "response.output_text.done":
        if (!this.#said.get(event.item_id)?.cut) this.#remember(event.item_id, "assistant", event.transcript ?? event.text);
        break;
      case "response.done":
        if (call.reply?.id !== event.response.id) break;
        if (event.response.status === "cancelled") {
          if (speaking) this.#yield(call);
          else this.#dropReply(call);
        }
        call.reply = null;
        call.playback.port.postMessage({ type: "end" });
        break;
      case "cleans2s.ducked":
        call.ducked = true;
        call.playback.port.postMessage({ type: "duck", arrivedMs });
        break;
      case "cleans2s.resumed":
        call.ducked = false;
        call.playback.port.postMessage({ type: "resume" });
        break;
      case "cleans2s.interrupted":
        this.#remember(event.item_id, "assistant", event.heard, true);
        if (speaking) this.#yield(call);
        break;
      case "cleans2s.pong":
        this.#emit("trip", { round_trip_ms: keep(this.#figures.round_trip_ms, performance.now() - Number(event.id)) });
        break;
      case "error":
        if (event.error.code === "response_cancel_not_active") break; // the reply ended while the cancel was on its way
        call.owed = false;
        this.#complain(new Problem("server", event.error.message));
    }
  }

  #remember(id, role, text, cut = false) {
    this.#said.set(id, { role, text, cut });
    if (this.#said.size > 2 * REMEMBERED_ITEMS) this.#said.delete(this.#said.keys().next().value);
  }

  // The sound

  #captured(call, { pcm, takenMs, level }) {
    if (call !== this.#call) return;
    if (this.#muted) new Uint8Array(pcm).fill(0); // not left out: the server's clock is the sound it receives
    call.level = this.#muted ? 0 : level;
    if (!call.socket) return;
    this.#send({ type: "input_audio_buffer.append", audio: btoa(String.fromCharCode(...new Uint8Array(pcm))) });
    keep(this.#figures.capture_ms, Date.now() - takenMs);
  }

  #play(call, { response_id, item_id, delta }, arrivedMs) {
    if (response_id && response_id === call.cut) return; // was under way when the reply was cut
    call.reply ??= { id: response_id };
    call.reply.sounds = true;
    call.sounding.add(item_id);
    const bytes = Uint8Array.from(atob(delta), (character) => character.charCodeAt(0));
    const samples = Float32Array.from(new Int16Array(bytes.buffer, 0, bytes.length >> 1), (sample) => sample / 32_768);
    call.playback.port.postMessage({ type: "play", item: item_id, samples, arrivedMs }, [samples.buffer]);
  }

  #played(call, { type, item, playedMs, level, name, ms }) {
    if (call !== this.#call) return;
    switch (type) {
      case "tick":
        this.#emit("levels", { user: call.level, agent: level });
        if (item && (item !== call.toldItem || playedMs - call.toldMs >= TELL_EVERY_MS)) this.#tellPlayed(call, item, playedMs);
        break;
      case "ended":
        this.#tellPlayed(call, item, playedMs);
        call.sounding.delete(item);
        this.#show();
        break;
      case "underrun":
        this.#underruns++;
        break;
      case "measured":
        keep(this.#figures[name], ms);
    }
  }

  #tellPlayed(call, item, playedMs) {
    [call.toldItem, call.toldMs] = [item, playedMs];
    this.#send({ type: "cleans2s.playback", item_id: item, played_ms: Math.round(playedMs) });
  }

  #askForReply() {
    this.#send({ type: "response.create" });
    if (this.#call) this.#call.owed = true;
  }

  /** Takes the word from the agent, here and at the server; gives whether it had it. */
  #cutReply() {
    const call = this.#call;
    if (!call || !(call.reply || call.sounding.size > 0)) return false;
    if (call.reply) this.#send({ type: "response.cancel" });
    this.#dropReply(call);
    return true;
  }

  #dropReply(call) {
    if (call.reply) call.cut = call.reply.id;
    call.reply = null;
    call.owed = call.ducked = false;
    call.sounding.clear();
    call.playback.port.postMessage({ type: "flush" });
  }

  #yield(call) {
    this.#dropReply(call);
    this.#showInterruption();
  }

  #showInterruption() {
    const call = this.#call;
    clearTimeout(call.interruption);
    call.interruption = setTimeout(() => {
      call.interruption = null;
      this.#show();
    }, INTERRUPTED_MS);
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

function itemOf(id, { role, text }) {
  return { id, type: "message", role, content: [{ type: role === "user" ? "input_text" : "output_text", text }] };
}

function merge(into, from) {
  for (const [name, value] of Object.entries(from)) {
    const deeper = value?.constructor === Object && into[name]?.constructor === Object;
    into[name] = deeper ? merge({ ...into[name] }, value) : value;
  }
  return into;
}

function keep(values, value) {
  values.push(value);
  if (values.length > KEPT_FIGURES) values.shift();
  return value;
}

function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))] ?? null;
  return { p50: at(0.5), p90: at(0.9) };
}

/** Rejects when the signal aborts. */
function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

function pause(ms, signal) {
  let timer;
  const passed = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  return Promise.race([passed, aborted(signal)]).finally(() => clearTimeout(timer));
}
