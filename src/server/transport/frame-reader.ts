// Follows the frames of a WebSocket through the bytes that arrive (RFC 6455, section 5.2), to know whether something is
// unfinished and what it is made of. The library ws reads the messages and finds what is wrong with them.

const FIN = 0x80;
const CONTROL = 0x08;
const MASKED = 0x80;

export class FrameReader {
  /** The header of the frame that is being read, as far as it has come. */
  #header: number[] = [];
  #payloadLeft = 0;
  #control = false;
  #final = false;
  #inMessage = false;
  #fragments = 0;
  #overheadBytes = 0;
  #controlFrames = 0;
  #boundaries = 0;

  /** Whether a frame, or a message of several frames, has begun and not ended. */
  get unfinished(): boolean {
    return this.#inMessage || this.#header.length > 0 || this.#payloadLeft > 0;
  }

  /** How often nothing was unfinished so far: what is unfinished is the same as long as this is the same. */
  get boundaries(): number {
    return this.#boundaries;
  }

  /** Frames of the message that is unfinished. */
  get fragments(): number {
    return this.#fragments;
  }

  /** Bytes that came since the unfinished message began and are not its own: headers, pings and pongs. */
  get overheadBytes(): number {
    return this.#overheadBytes;
  }

  /** Pings, pongs and closes so far. */
  get controlFrames(): number {
    return this.#controlFrames;
  }

  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#payloadLeft > 0) {
        const skipped = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= skipped;
        if (this.#control) this.#overheadBytes += skipped;
        at += skipped;
        if (this.#payloadLeft === 0) this.#endFrame();
      } else {
        this.#header.push(chunk[at]!);
        this.#overheadBytes++;
        at++;
        if (this.#header.length === headerLength(this.#header)) this.#beginPayload();
      }
    }
  }

  #beginPayload(): void {
    const [first = 0] = this.#header;
    this.#control = (first & CONTROL) !== 0;
    this.#final = (first & FIN) !== 0;
    if (!this.#control) {
      this.#inMessage = true;
      this.#fragments++;
    }
    this.#payloadLeft = payloadLength(this.#header);
    this.#header = [];
    if (this.#payloadLeft === 0) this.#endFrame();
  }

  #endFrame(): void {
    if (this.#control) this.#controlFrames++;
    else if (this.#final) {
      this.#inMessage = false;
      this.#fragments = 0;
    }
    if (this.#inMessage) return;
    this.#boundaries++;
    this.#overheadBytes = 0;
  }
}

/** The length of the whole header, as far as its beginning tells. */
function headerLength([, second]: readonly number[]): number {
  if (second === undefined) return 2;
  const length = second & 127;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & MASKED) === 0 ? 0 : 4);
}

function payloadLength(header: readonly number[]): number {
  const length = header[1]! & 127;
  const extended = length === 126 ? header.slice(2, 4) : length === 127 ? header.slice(2, 10) : null;
  return extended === null ? length : extended.reduce((value, byte) => value * 256 + byte, 0);
}
