/**
 * The browser's ear and mouth: the microphone (capture.js), the agent's voice (playback.js), and what connects them.
 *
 * On the outside, sound is as the protocol has it: base64 of PCM16 at 24 kHz.
 */

import { Problem } from "./endings.js";

export const PCM = { type: "audio/pcm", rate: 24_000 };

const MICROPHONE_PROBLEMS = {
  NotAllowedError: ["microphone-refused", "The browser was not allowed to use the microphone."],
  SecurityError: ["microphone-refused", "This page may not use the microphone."],
  NotFoundError: ["microphone-missing", "No microphone was found."],
  OverconstrainedError: ["microphone-missing", "No suitable microphone was found."],
  NotReadableError: ["microphone-busy", "The microphone could not be opened; another program may be using it."],
  AbortError: ["microphone-busy", "The microphone could not be opened."],
};

export class Sound {
  #signal;
  #captured;
  #played;
  #unplugged;
  #muted;
  #tracks = [];
  #context = null;
  #source = null;
  #playback = null;
  #speaker = null; // all that is heard of the agent comes together here
  #tap = null;
  #level = 0;

  /**
   * `signal` closes it. `captured` is called with every {audio, takenMs}, `played` with playback.js's reports, and `unplugged`
   * with a Problem.
   */
  constructor({ muted, signal, captured, played, unplugged }) {
    this.#muted = muted;
    this.#signal = signal;
    this.#captured = captured;
    this.#played = played;
    this.#unplugged = unplugged;
  }

  /** Has to be called within a click or a key. Rejects with a Problem. */
  async open(microphone) {
    // Writing needs it as well: the server's clock is the sound it receives, and worklets make that.
    if (!isSecureContext || (microphone && !navigator.mediaDevices)) {
      throw new Problem("insecure-page", "Browsers give sound only to pages that came over https or from localhost.");
    }
    if (!window.AudioWorkletNode) throw new Problem("unsupported", "This browser has no audio worklets.");
    // Safari lets a context sound only if it was made within the user's gesture: before anything is awaited.
    const context = (this.#context = new AudioContext({ latencyHint: "interactive" }));
    this.#signal.addEventListener("abort", () => this.#close(), { once: true });
    const wake = () => ["suspended", "interrupted"].includes(context.state) && context.resume().catch(() => {});
    wake();
    context.addEventListener("statechange", wake, { signal: this.#signal });
    document.addEventListener("visibilitychange", wake, { signal: this.#signal });
    const [stream] = await Promise.all([
      microphone && this.#askForMicrophone(),
      context.audioWorklet.addModule(new URL("capture.js", import.meta.url)),
      context.audioWorklet.addModule(new URL("playback.js", import.meta.url)),
    ]);
    this.#signal.throwIfAborted();
    // Connected to the loudspeaker, where it is silent, as browsers may leave a node asleep that leads nowhere.
    const capture = new AudioWorkletNode(context, "cleans2s-capture", { channelCount: 1, channelCountMode: "explicit" });
    capture.port.onmessage = ({ data }) => this.#signal.aborted || this.#capture(data);
    capture.connect(context.destination);
    if (stream) {
      this.#source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
      this.#source.connect(capture);
    }
    this.#playback = new AudioWorkletNode(context, "cleans2s-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#playback.port.onmessage = ({ data }) => this.#signal.aborted || this.#played(data);
    this.#speaker = new GainNode(context);
    this.#playback.connect(this.#speaker).connect(context.destination);
  }

  set muted(muted) {
    this.#muted = muted;
    for (const track of this.#tracks) track.enabled = !muted; // the browser shows it too
  }

  /** How loud the microphone was in its last frame. */
  get level() {
    return this.#level;
  }

  play(item, audio, arrivedMs) {
    const samples = decoded(audio);
    this.#playback.port.postMessage({ type: "play", item, samples, arrivedMs }, [samples.buffer]);
  }

  /** A short sound that belongs to no item, beside whatever is playing. */
  mutter(audio) {
    const samples = decoded(audio);
    if (!samples.length || !this.#speaker) return;
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: PCM.rate });
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#speaker);
    source.start();
  }

  /** No more comes of this item, or of whatever came last. */
  end(item) {
    this.#playback.port.postMessage({ type: "end", item });
  }

  duck(arrivedMs) {
    this.#playback.port.postMessage({ type: "duck", arrivedMs });
  }

  resume() {
    this.#playback.port.postMessage({ type: "resume" });
  }

  flush() {
    this.#playback.port.postMessage({ type: "flush" });
  }

  tap() {
    if (!this.#playback) return null;
    if (!this.#tap) {
      this.#tap = new MediaStreamAudioDestinationNode(this.#context, { channelCount: 2 });
      const sides = new ChannelMergerNode(this.#context, { numberOfInputs: 2 });
      this.#source?.connect(sides, 0, 0);
      this.#speaker.connect(sides, 0, 1);
      sides.connect(this.#tap);
    }
    return this.#tap.stream;
  }

  /** In seconds, as the browser says; undefined where it does not. */
  get latency() {
    const { outputLatency, baseLatency } = this.#context ?? {};
    return { outputS: outputLatency || baseLatency, inputS: this.#tracks[0]?.getSettings().latency };
  }

  async #askForMicrophone() {
    try {
      const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      this.#tracks = stream.getTracks();
      for (const track of this.#tracks) {
        track.enabled = !this.#muted;
        if (this.#signal.aborted) track.stop(); // allowed when nobody waited for it any more
      }
      this.#tracks[0].onended = () => this.#unplugged(new Problem("microphone-missing", "The microphone was unplugged."));
      return stream;
    } catch (error) {
      throw new Problem(...(MICROPHONE_PROBLEMS[error.name] ?? ["unsupported", error.message]));
    }
  }

  #capture({ pcm, takenMs, level }) {
    const bytes = new Uint8Array(pcm);
    if (this.#muted) bytes.fill(0); // not left out: the server's clock is the sound it receives
    this.#level = this.#muted ? 0 : level;
    this.#captured({ audio: btoa(String.fromCharCode(...bytes)), takenMs });
  }

  #close() {
    this.#tracks.forEach((track) => track.stop());
    this.#context.close();
  }
}

function decoded(audio) {
  const bytes = Uint8Array.from(atob(audio), (character) => character.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer, 0, bytes.length >> 1), (sample) => sample / 32_768);
}
