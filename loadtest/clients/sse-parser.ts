// Parses server-sent events from a body that arrives in chunks.
import { StringDecoder } from "node:string_decoder";

export interface SseEvent {
  /** Null when the event has no name. */
  readonly event: string | null;
  readonly data: string;
}

export class SseParser {
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #event: string | null = null;
  #data: string[] = [];

  /** The events that these bytes complete. */
  push(bytes: Buffer): SseEvent[] {
    const lines = (this.#rest + this.#decoder.write(bytes)).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line.endsWith("\r") ? line.slice(0, -1) : line));
  }

  /** True between two events. */
  get empty(): boolean {
    return this.#rest === "" && this.#data.length === 0 && this.#event === null;
  }

  #line(line: string): SseEvent[] {
    if (line === "") {
      const complete = this.#data.length > 0 ? [{ event: this.#event, data: this.#data.join("\n") }] : [];
      this.#event = null;
      this.#data = [];
      return complete;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    return [];
  }
}
