/** One stream of an HTTP/2 connection: a request that comes, and a response that leaves as far as there is room. */
import { ErrorCode, MAX_WINDOW } from "./frames.ts";

/** What a stream needs of its connection. */
export interface StreamHost {
  /** The socket takes nothing more for now. */
  readonly blocked: boolean;
  /** Bytes that a DATA frame may have now. */
  readonly room: number;
  /** What the client lets every stream send, besides what it allows each. */
  readonly streamWindow: number;
  sendFields(id: number, block: Buffer, end: boolean): void;
  sendData(id: number, bytes: Buffer, from: number, to: number): void;
  sendReset(id: number, code: number): void;
  widen(id: number, bytes: number): void;
  /** Calls `resume` when the socket or the connection's window has room again. */
  wait(stream: Stream): void;
  /** So many more bytes wait in a stream, or fewer. */
  hold(bytes: number): void;
  forget(stream: Stream): void;
}

interface Output {
  readonly bytes: Buffer;
  /** Header fields, and with them the end of the stream; data has none of it. */
  readonly fields: boolean;
  readonly end: boolean;
  sent: number;
}

/** Responses that wait above which a client may not send more requests on the same stream. */
const MAX_QUEUED = 64;

export class Stream {
  readonly id: number;
  /** The client has said everything. */
  remoteEnded: boolean;
  onData: (bytes: Buffer) => void = () => {};
  onEnd: () => void = () => {};
  /** Everything that was to be sent has left. */
  onDrain: () => void = () => {};
  /** It is over, well or not; called once. */
  onClosed: () => void = () => {};
  readonly #host: StreamHost;
  /** What the client lets this stream send beyond the window of every stream, less what was sent. */
  #credit = 0;
  /** What it has sent since it was last allowed more, and how much that may be. Bytes. */
  #received = 0;
  readonly #allowance: number;
  #queue: Output[] = [];
  #over = false;

  constructor(id: number, host: StreamHost, allowance: number, remoteEnded: boolean) {
    this.id = id;
    this.remoteEnded = remoteEnded;
    this.#host = host;
    this.#allowance = allowance;
  }

  /** What the client lets us send; negative if it has changed its mind. */
  get #window(): number {
    return this.#host.streamWindow + this.#credit;
  }

  /** Parts of the response that have not left yet. */
  get queued(): number {
    return this.#queue.length;
  }

  sendFields(block: Buffer, end: boolean): void {
    if (this.#over) return;
    if (this.#queue.length > 0 || this.#host.blocked) this.#enqueue(block, true, end);
    else {
      this.#host.sendFields(this.id, block, end);
      if (end) this.#finish();
    }
  }

  sendData(bytes: Buffer): void {
    if (this.#over) return;
    const { length } = bytes;
    const host = this.#host;
    if (this.#queue.length > 0 || host.blocked || length > host.room || length > this.#window)
      this.#enqueue(bytes, false, false);
    else {
      this.#credit -= length;
      host.sendData(this.id, bytes, 0, length);
    }
  }

  /** Ends it at once. */
  reset(code: number): void {
    if (this.#over) return;
    this.#host.sendReset(this.id, code);
    this.closed();
  }

  // For the connection

  /** Counts bytes that came; false if there are more than were allowed. */
  count(bytes: number): boolean {
    this.#received += bytes;
    return this.#received <= this.#allowance;
  }

  receive(bytes: Buffer, end: boolean): void {
    this.remoteEnded = end;
    if (bytes.length > 0) this.onData(bytes);
    if (this.#over) return;
    if (end) this.onEnd();
    else this.#allow();
  }

  /** Lets us send more; false if that is more than can be. */
  widen(bytes: number): boolean {
    this.#credit += bytes;
    if (this.#window > MAX_WINDOW) return false;
    this.resume();
    return true;
  }

  resume(): void {
    if (this.#queue.length === 0) return;
    while (this.#queue.length > 0) if (!this.#sendNext()) return;
    if (this.#over) return;
    this.#allow();
    this.onDrain();
  }

  /** The client does not want it any more. */
  abandoned(): void {
    this.remoteEnded = true;
    this.closed();
  }

  /** It is ended, by whomever. */
  closed(): void {
    if (this.#over) return;
    this.#over = true;
    for (const { bytes } of this.#queue) this.#host.hold(-bytes.length);
    this.#queue = [];
    this.#host.forget(this);
    this.onClosed();
  }

  #enqueue(bytes: Buffer, fields: boolean, end: boolean): void {
    this.#queue.push({ bytes, fields, end, sent: 0 });
    this.#host.hold(bytes.length);
    if (this.#queue.length === 1) this.resume();
  }

  /** False if the first in the queue has to wait. */
  #sendNext(): boolean {
    const host = this.#host;
    const output = this.#queue[0] as Output;
    const left = output.bytes.length - output.sent;
    const length = output.fields ? 0 : Math.min(left, host.room, this.#window);
    if (host.blocked || (!output.fields && host.room <= 0)) {
      host.wait(this);
      return false;
    }
    if (output.fields) host.sendFields(this.id, output.bytes, output.end);
    else if (length <= 0 && left > 0) return false;
    else {
      host.sendData(this.id, output.bytes, output.sent, output.sent + length);
      this.#credit -= length;
      output.sent += length;
      if (length < left) return true;
    }
    this.#queue.shift();
    host.hold(-output.bytes.length);
    if (output.end) this.#finish();
    return true;
  }

  /** A client that does not read its responses may not ask for more of them. */
  #allow(): void {
    if (this.remoteEnded || this.#received < this.#allowance / 2 || this.#queue.length > MAX_QUEUED) return;
    this.#host.widen(this.id, this.#received);
    this.#received = 0;
  }

  #finish(): void {
    // The response is whole; what the client still has to say is of no use (RFC 9113, section 8.1).
    if (!this.remoteEnded) this.#host.sendReset(this.id, ErrorCode.none);
    this.closed();
  }
}
