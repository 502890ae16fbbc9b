// A parser of server-sent events in text that arrives in pieces, by the HTML standard (section 9.2.6). Ids and retry
// times are ignored: they are for EventSource's reconnection, which a POST does not have.

export interface ServerSentEvent {
  /** "message" where the server named none. */
  readonly event: string;
  readonly data: string;
}

const LINE_END = /\r\n|\n|\r/g;

export class EventParser {
  /** The last line, as far as it has arrived. */
  #rest = "";
  #event = "";
  #data: string[] = [];
  #first = true;
  /** Whether the last piece ended in a carriage return: a line feed that follows belongs to it. */
  #afterReturn = false;

  /** The events that this piece completes; lines, line ends and events may be split anywhere. */
  feed(piece: string): ServerSentEvent[] {
    if (piece === "") return [];
    let text = piece;
    if (this.#first && text.startsWith("\uFEFF")) text = text.slice(1);
    this.#first = false;
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterReturn = piece.endsWith("\r");

    const events: ServerSentEvent[] = [];
    let start = 0;
    for (const { index, 0: end } of text.matchAll(LINE_END)) {
      const event = this.#line(this.#rest + text.slice(start, index));
      if (event !== null) events.push(event);
      this.#rest = "";
      start = index + end.length;
    }
    this.#rest += text.slice(start);
    return events;
  }

  #line(line: string): ServerSentEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  #dispatch(): ServerSentEvent | null {
    const event = this.#event === "" ? "message" : this.#event;
    const data = this.#data;
    this.#event = "";
    this.#data = [];
    return data.length === 0 ? null : { event, data: data.join("\n") };
  }
}

/**
 * The events of a response's body; leaving the loop cancels the body. `onBytes` is called whenever bytes arrive, so also
 * for the comments that keep a silent stream alive.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<ServerSentEvent, void> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let ended = false;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      onBytes();
      yield* parser.feed(decoder.decode(value, { stream: true }));
    }
    ended = true;
  } finally {
    if (!ended) reader.cancel().catch(() => {});
  }
}
