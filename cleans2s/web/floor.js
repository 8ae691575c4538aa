/**
 * Who has the floor, as far as a page can know: from what the server says, from what is still being played here, and from
 * what the person did. The agent's voice follows it: it sounds, holds on and falls silent with the floor.
 */

const INTERRUPTED_MS = 800; // long enough to be seen

export class Floor {
  #sound;
  #send;
  #changed;
  #answers = true; // whether the session answers turns without being asked
  #yields = true; // whether it lets the user interrupt
  #owed = false; // a reply is to come, and has not begun
  #reply = null; // {id, sounds} of the response under way
  #sounding = new Set(); // items in the playback buffer
  #cut = null; // the response that was dropped last
  #ducked = false;
  #interruption = null; // a timer: while it runs, an interruption is to be seen

  /** `send` is for what the server is asked; `changed` is called when the state has changed by itself. */
  constructor({ sound, send, changed }) {
    this.#sound = sound;
    this.#send = send;
    this.#changed = changed;
  }

  /** listening, thinking, speaking, ducked or interrupted */
  get state() {
    if (this.#speaks) return this.#ducked ? "ducked" : "speaking";
    if (this.#interruption) return "interrupted";
    return this.#reply || this.#owed ? "thinking" : "listening";
  }

  get #speaks() {
    return this.#sounding.size > 0 || Boolean(this.#reply?.sounds);
  }

  /** Takes any event of the server; many do not concern the floor. */
  server(event, arrivedMs) {
    switch (event.type) {
      case "session.created":
      case "session.updated":
        this.#answers = answers(event.session);
        this.#yields = event.session?.audio?.input?.turn_detection?.interrupt_response !== false;
        break;
      case "input_audio_buffer.speech_started":
        this.#owed = false;
        if (this.#speaks && this.#yields) this.#yield();
        break;
      case "input_audio_buffer.committed":
        this.#owed = this.#answers;
        break;
      case "conversation.item.input_audio_transcription.failed":
      case "cleans2s.ignored":
      case "cleans2s.failed":
        this.#owed = false;
        break;
      case "cleans2s.judged":
        if (event.speaks === false) this.#owed = false; // a last word may come all the same: then it begins
        break;
      case "cleans2s.backchannel":
        this.#sound.mutter(event.audio);
        break;
      case "response.created":
        this.#owed = false;
        this.#reply = { id: event.response.id, sounds: false };
        break;
      case "response.output_audio.delta":
        this.#play(event, arrivedMs);
        break;
      case "response.output_audio.done":
        this.#sound.end(event.item_id);
        break;
      case "response.done":
        if (this.#reply?.id === event.response.id) this.#done(event.response);
        break;
      case "cleans2s.ducked":
        this.#ducked = true;
        this.#sound.duck(arrivedMs);
        break;
      case "cleans2s.resumed":
        this.#ducked = false;
        this.#sound.resume();
        break;
      case "cleans2s.interrupted":
        if (this.#speaks) this.#yield();
    }
  }

  /** The item has left the playback buffer. */
  played(item) {
    this.#sounding.delete(item);
  }

  /** Has what was said last answered. */
  ask() {
    this.#send({ type: "response.create" });
    this.#owed = true;
  }

  /** No reply will come. */
  forgo() {
    this.#owed = false;
  }

  /** Takes the word from the agent, here and at the server; gives whether it had it. */
  cut() {
    if (!this.#reply && this.#sounding.size === 0) return false;
    if (this.#reply) this.#send({ type: "response.cancel" });
    this.drop();
    return true;
  }

  /** The same, to be seen. */
  interrupt() {
    if (this.cut()) this.#showInterruption();
  }

  /** The reply under way is not going to be heard. */
  drop() {
    if (this.#reply) this.#cut = this.#reply.id;
    this.#reply = null;
    this.#owed = this.#ducked = false;
    this.#sounding.clear();
    this.#sound.flush();
  }

  #play({ response_id, item_id, delta }, arrivedMs) {
    if (response_id && response_id === this.#cut) return; // was under way when the reply was cut
    this.#reply ??= { id: response_id };
    this.#reply.sounds = true;
    this.#sounding.add(item_id);
    this.#sound.play(item_id, delta, arrivedMs);
  }

  #done({ status }) {
    if (status === "cancelled") {
      if (this.#speaks) this.#yield();
      else this.drop();
    }
    this.#reply = null;
    this.#sound.end();
  }

  #yield() {
    this.drop();
    this.#showInterruption();
  }

  #showInterruption() {
    clearTimeout(this.#interruption);
    this.#interruption = setTimeout(() => {
      this.#interruption = null;
      this.#changed();
    }, INTERRUPTED_MS);
  }
}

/** By the protocol's defaults, a session that says nothing of it does. */
function answers(session) {
  const turns = session?.audio?.input?.turn_detection;
  return turns !== null && turns?.create_response !== false;
}
