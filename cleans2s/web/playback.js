/**
 * The agent's voice: one stream of 24 kHz sound, of which every part belongs to an item of the conversation.
 *
 * Commands: `play` {item, samples, arrivedMs}, `end` {item?} (no more of it comes), `duck` {arrivedMs}, `resume`, `flush`.
 * Reports: `tick` {level, item?, playedMs} every 50 ms, `ended` {item, playedMs} when an item was played to its end or
 * flushed, `underrun` (it ran dry in the middle of an item), and `measured` {name, ms}.
 * Positions are milliseconds of the source that were handed to the output. Times are `Date.now()`, as `performance` is
 * missing in worklets.
 *
 * Silence comes at once and without a click: the next 5 ms are rendered ahead, faded out, and laid over what follows, while
 * the stream itself has stopped (or been emptied) already. After a duck it goes on where the fade began, so that what faded
 * out is heard again as it fades in, and nothing is lost.
 */

import { Resampler } from "./resample.js";

const WIRE_HZ = 24_000;
const LIMIT_S = 120;
const FADE_S = 0.005;
const TICK_S = 0.05;
const NEARLY_EMPTY_S = 0.01;

class Playback extends AudioWorkletProcessor {
  #stream = new Resampler(WIRE_HZ, sampleRate, { limitS: LIMIT_S, keepS: 2 * FADE_S });
  #items = []; // {item, start, end, complete}: parts of the stream not yet played to their end
  #ducked = false;
  #gain = 0; // climbs to one in FADE_S, from wherever there was silence
  #tail = new Float32Array(0); // what fades out
  #dry = false; // ran empty while an item was incomplete
  #first = null; // {position, arrivedMs} of sound that came to an empty buffer
  #duckedMs = null; // when a duck was asked for, until it is silent
  #energy = 0;
  #frames = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#obey(data);
  }

  #obey(command) {
    switch (command.type) {
      case "play":
        return this.#play(command);
      case "end":
        return this.#end(command.item);
      case "duck":
        if (this.#gain > 0) this.#duckedMs = command.arrivedMs;
        this.#fadeOut();
        this.#ducked = true;
        return;
      case "resume":
        this.#ducked = false;
        return;
      case "flush":
        return this.#flush();
    }
  }

  #play({ item, samples, arrivedMs }) {
    const start = this.#stream.written;
    if (start - this.#stream.position < NEARLY_EMPTY_S * WIRE_HZ && !this.#ducked) {
      this.#first ??= { position: start, arrivedMs };
    }
    this.#stream.write(samples);
    const last = this.#items.at(-1);
    if (last?.item === item) {
      if (this.#dry) this.port.postMessage({ type: "underrun" });
      last.end = this.#stream.written;
      last.complete = false;
    } else {
      this.#items.push({ item, start, end: this.#stream.written, complete: false });
    }
    this.#dry = false;
  }

  #end(item) {
    const last = this.#items.at(-1);
    if (!last || last.complete || (item && item !== last.item)) return; // an earlier one ends where the next begins
    last.complete = true;
    this.#stream.pad();
  }

  #flush() {
    for (const part of this.#items) this.#report("ended", part);
    this.#fadeOut();
    this.#stream.position = this.#stream.written;
    this.#items = [];
    this.#first = null;
    this.#ducked = this.#dry = false;
  }

  #fadeOut() {
    if (this.#gain > 0) {
      const here = this.#stream.position;
      const tail = new Float32Array(Math.round(FADE_S * sampleRate));
      this.#stream.read(tail);
      for (let i = 0; i < tail.length; i++) tail[i] *= this.#gain * (1 - i / tail.length);
      for (let i = 0; i < Math.min(tail.length, this.#tail.length); i++) tail[i] += this.#tail[i];
      this.#stream.position = here;
      this.#tail = tail;
    }
    this.#gain = 0;
  }

  process(inputs, [[out]]) {
    const count = this.#ducked ? 0 : this.#stream.read(out);
    for (let i = 0; i < count && this.#gain < 1; i++) {
      this.#gain = Math.min(1, this.#gain + 1 / (FADE_S * sampleRate));
      out[i] *= this.#gain;
    }
    if (count < out.length) this.#runDry(out, count);
    for (let i = 0; i < Math.min(out.length, this.#tail.length); i++) out[i] += this.#tail[i];
    const silent = count === 0 && this.#tail.length === 0;
    this.#tail = this.#tail.subarray(out.length);
    this.#measure(silent);
    while (this.#items.length > 0 && this.#played(this.#items[0])) this.#report("ended", this.#items.shift());
    this.#tick(out);
    return true;
  }

  #runDry(out, count) {
    this.#gain = 0;
    if (this.#ducked || this.#items.length === 0 || this.#items.at(-1).complete) return;
    this.#dry = true;
    for (let i = 0; i < count; i++) out[i] *= 1 - i / count; // no warning was given: as soft as what is left allows
  }

  #played(part) {
    return this.#stream.position >= part.end && (part.complete || part !== this.#items.at(-1));
  }

  #measure(silent) {
    if (this.#first && this.#stream.position > this.#first.position) {
      const ms = Date.now() - this.#first.arrivedMs;
      this.port.postMessage({ type: "measured", name: "receive_to_render_ms", ms });
      this.#first = null;
    }
    if (this.#duckedMs !== null && silent) {
      this.port.postMessage({ type: "measured", name: "duck_ms", ms: Date.now() - this.#duckedMs });
      this.#duckedMs = null;
    }
  }

  #tick(out) {
    for (const sample of out) this.#energy += sample * sample;
    this.#frames += out.length;
    if (this.#frames < TICK_S * sampleRate) return;
    const level = Math.min(1, Math.sqrt(this.#energy / this.#frames));
    this.#report("tick", this.#items[0], { level });
    this.#energy = this.#frames = 0;
  }

  #report(type, part, more = {}) {
    const played = part && Math.max(0, Math.min(this.#stream.position, part.end) - part.start);
    this.port.postMessage({ type, ...more, ...(part && { item: part.item, playedMs: (played / WIRE_HZ) * 1000 }) });
  }
}

registerProcessor("cleans2s-playback", Playback);
