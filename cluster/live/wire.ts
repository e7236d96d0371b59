/** Framed payloads over one socket, plain or TLS, with signs of life in both directions. */
import type { Socket } from "node:net";
import type { EventLoop } from "./event-loop.ts";
import { FrameReader, frameOf } from "./frames.ts";

/** Beats without a byte from the other end after which a socket counts as dead. */
const SILENT_BEATS = 5;
/** Beats that a closing socket has to get rid of what was sent. */
const CLOSING_BEATS = 5;
const SIGN_OF_LIFE = frameOf(new Uint8Array(0));

export interface WireHandlers {
  /** May throw: the socket is then closed, with the error as the reason. */
  payload(bytes: Uint8Array): void;
  /** The socket is gone; called once, also after `close`. `refused`: because of what came in. */
  ended(reason: string, refused: boolean): void;
}

export class Wire {
  readonly #socket: Socket;
  readonly #loop: EventLoop;
  readonly #handlers: WireHandlers;
  readonly #reader: FrameReader;
  #queue: Uint8Array[] = [];
  #writing = 0;
  #flushing = false;
  #closing = false;
  #reason = "closed by the other end";
  #refused = false;
  /** Beats since the last byte came, or, when closing, since `close`. */
  #silence = 0;
  #spoke = false;

  /** `limit`: bytes of a payload at most. */
  constructor(socket: Socket, loop: EventLoop, limit: number, handlers: WireHandlers) {
    this.#socket = socket;
    this.#loop = loop;
    this.#handlers = handlers;
    this.#reader = new FrameReader(limit);
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#received(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#reason = error.code === "ECONNREFUSED" ? "connection refused" : error.message;
    });
    socket.on("close", () => {
      this.#queue = [];
      handlers.ended(this.#reason, this.#refused);
    });
  }

  /** Payloads that have not left this process. */
  get buffered(): number {
    return this.#queue.length + this.#writing;
  }

  set limit(bytes: number) {
    this.#reader.limit = bytes;
  }

  /** Leaves at the end of this turn, together with what else is sent in it. */
  send(payload: Uint8Array): void {
    if (this.#closing || this.#socket.destroyed) return;
    this.#queue.push(frameOf(payload));
    if (this.#flushing) return;
    this.#flushing = true;
    this.#loop.flushLater(this.#flush);
  }

  /** Ends the connection once everything sent has left; nothing is received any more. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#silence = 0;
    if (this.#socket.connecting) this.#socket.destroy();
    else if (!this.#flushing) this.#socket.end();
  }

  /** Ends the connection at once. */
  destroy(reason: string): void {
    if (this.#socket.destroyed) return;
    this.#reason = reason;
    this.#socket.destroy();
  }

  /** Once a second: says that this end lives, and gives up an end that does not. */
  beat(): void {
    this.#silence++;
    if (this.#closing) {
      if (this.#silence > CLOSING_BEATS) this.destroy("closed");
      return;
    }
    if (this.#silence > SILENT_BEATS) {
      this.destroy(`no sign of life for ${SILENT_BEATS} seconds`);
      return;
    }
    if (!this.#spoke && !this.#socket.connecting) this.#socket.write(SIGN_OF_LIFE);
    this.#spoke = false;
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    const frames = this.#queue;
    this.#queue = [];
    if (frames.length > 0 && !this.#socket.destroyed) {
      this.#spoke = true;
      this.#writing += frames.length;
      const bytes = frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames);
      this.#socket.write(bytes, () => {
        this.#writing -= frames.length;
      });
    }
    if (this.#closing) this.#socket.end();
  };

  #received(chunk: Uint8Array): void {
    if (this.#closing) return;
    this.#silence = 0;
    try {
      for (const payload of this.#reader.push(chunk)) {
        this.#handlers.payload(payload);
        if (this.#closing || this.#socket.destroyed) return;
      }
    } catch (error) {
      this.#refused = true;
      this.#reason = (error as Error).message;
      // Unless the other end is still to be told why.
      if (!this.#closing) this.#socket.destroy();
    }
  }
}
