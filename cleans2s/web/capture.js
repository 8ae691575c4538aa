/**
 * The microphone, as frames that the server takes: 20 ms of 24 kHz PCM16, each with its level and its time.
 *
 * With no input (no microphone, or one that was unplugged) the frames are silence: the server's clock is the sound it
 * receives, and that clock has to go on.
 *
 * A frame's time is `Date.now()` when its first sample came in, the one clock that worklets share with the page
 * (`performance` is missing here). What the sound card and the browser took before that is `input_latency_ms`.
 */

import { Resampler } from "./resample.js";

const WIRE_HZ = 24_000;
const FRAME = 480; // samples, 20 ms

class Capture extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, WIRE_HZ);
  #resampled = new Float32Array(FRAME);
  #frame = new Int16Array(FRAME);
  #filled = 0;
  #energy = 0;
  #takenMs = 0;

  process([[input]], [[output]]) {
    this.#resampler.write(input ?? output); // nobody writes to the output: it is silence of the right length
    const nowMs = Date.now();
    let count;
    while ((count = this.#resampler.read(this.#resampled)) > 0) {
      for (let i = 0; i < count; i++) this.#take(this.#resampled[i], nowMs);
    }
    return true;
  }

  #take(sample, nowMs) {
    if (this.#filled === 0) this.#takenMs = nowMs;
    const clipped = Math.max(-1, Math.min(1, sample));
    this.#frame[this.#filled++] = Math.round(clipped * 32_767);
    this.#energy += clipped * clipped;
    if (this.#filled < FRAME) return;
    const level = Math.sqrt(this.#energy / FRAME);
    this.port.postMessage({ pcm: this.#frame.buffer, takenMs: this.#takenMs, level }, [this.#frame.buffer]);
    this.#frame = new Int16Array(FRAME);
    this.#filled = 0;
    this.#energy = 0;
  }
}

registerProcessor("cleans2s-capture", Capture);
