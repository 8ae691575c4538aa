// What both sides have said, for a server that does not know it: a session ends with its connection, a conversation goes on.

const MOST_ITEMS = 40; // that a new session is told of

export class Memory {
  #said = new Map(); // item id → {role, text, cut?}, in the order of the conversation
  #typed = 0;

  /** Takes any event of the server; most are no words. */
  server(event) {
    switch (event.type) {
      case "input_audio_buffer.committed":
        return this.#keep(event.item_id, "user", ""); // its place: the words may come after the reply has begun
      case "conversation.item.input_audio_transcription.completed":
        return this.#keep(event.item_id, "user", event.transcript);
      case "conversation.item.deleted":
        return this.#said.delete(event.item_id);
      case "response.output_audio_transcript.done":
      case "response.output_text.done":
        if (this.#said.get(event.item_id)?.cut) return; // of these words only some were heard
        return this.#keep(event.item_id, "assistant", event.transcript ?? event.text);
      case "cleans2s.interrupted":
        return this.#keep(event.item_id, "assistant", event.heard, true);
    }
  }

  /** A typed turn, as an item of the protocol. */
  wrote(text) {
    const id = `typed_${++this.#typed}`;
    this.#keep(id, "user", text);
    return itemOf(id, { role: "user", text });
  }

  /** All of it as items for a new session. */
  again() {
    const said = [...this.#said.values()].filter(({ text }) => text).slice(-MOST_ITEMS);
    // A server may count its items anew in every session; names of our own cannot meet the new ones.
    this.#said = new Map(said.map((item, i) => [`again_${i + 1}`, item]));
    return Array.from(this.#said, ([id, item]) => itemOf(id, item));
  }

  clear() {
    this.#said.clear();
  }

  #keep(id, role, text, cut = false) {
    this.#said.set(id, { role, text, cut });
    if (this.#said.size > 2 * MOST_ITEMS) this.#said.delete(this.#said.keys().next().value);
  }
}

function itemOf(id, { role, text }) {
  return { id, type: "message", role, content: [{ type: role === "user" ? "input_text" : "output_text", text }] };
}
