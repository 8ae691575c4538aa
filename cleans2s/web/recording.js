// A question spoken into the microphone, as a wav file.

import { PCM, Sound } from "./sound.js";

export const LONGEST_S = 30;

export class Recording {
  #frames = [];
  #ending = new AbortController();
  #sound;

  /** `level` is called with the loudness of every 20 ms; `over` when it has become too long, or the microphone is gone. */
  constructor({ level, over }) {
    const longest = (LONGEST_S * PCM.rate * 2) / 960;
    this.#sound = new Sound({
      muted: false,
      signal: this.#ending.signal,
      captured: ({ audio }) => {
        this.#frames.push(Uint8Array.from(atob(audio), (character) => character.charCodeAt(0)));
        level(this.#sound.level);
        if (this.#frames.length >= longest) over();
      },
      played: () => {},
      unplugged: over,
    });
  }

  /** Has to be called within a click or a key. Rejects with a Problem. */
  start() {
    return this.#sound.open(true);
  }

  /** The sound so far, as a Blob; the microphone is let go. */
  stop() {
    this.#ending.abort();
    return new Blob([header(this.#frames.reduce((sum, frame) => sum + frame.length, 0)), ...this.#frames], { type: "audio/wav" });
  }
}

/** Of 16-bit samples, mono. */
function header(bytes) {
  const view = new DataView(new ArrayBuffer(44));
  const word = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, PCM.rate, true);
  view.setUint32(28, 2 * PCM.rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, bytes, true);
  return view;
}
