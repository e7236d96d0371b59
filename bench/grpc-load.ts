/**
 * A gRPC client that costs little: one method per connection, requests as bytes, of responses the messages as bytes.
 * It measures servers and so must not be what is slow.
 */
import net from "node:net";
import {
  Flag,
  FrameReader,
  FrameType,
  FrameWriter,
  INITIAL_WINDOW,
  MAX_WINDOW,
  PREFACE,
  Setting,
} from "../cluster/etcd/http2/frames.ts";

/** Before each message: whether it is compressed, and its length. Bytes. */
export const MESSAGE_HEADER = 5;
const REPLENISH = 1 << 28;

export interface Listener {
  /** Part of a response stream, as it comes: message headers and messages. */
  data(bytes: Buffer): void;
  /** `ok`: with a message, and not cut off. */
  ended(ok: boolean): void;
}

/** A message with its header, ready to be sent any number of times. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(MESSAGE_HEADER + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, MESSAGE_HEADER);
  return bytes;
}

export class LoadConnection {
  readonly #socket: net.Socket;
  readonly #reader = new FrameReader();
  readonly #writer = new FrameWriter();
  readonly #path: string;
  readonly #authority: string;
  readonly #streams = new Map<number, { readonly listener: Listener; told: boolean }>();
  /** Requests for which there is no room yet. */
  readonly #waiting: (() => void)[] = [];
  #nextStream = 1;
  #window = INITIAL_WINDOW;
  #received = 0;
  #flushing = false;

  private constructor(socket: net.Socket, address: string, path: string) {
    this.#socket = socket;
    this.#path = path;
    this.#authority = address;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#reader.push(chunk, this.#handle);
      this.#flush();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { listener } of this.#streams.values()) listener.ended(false);
      this.#streams.clear();
    });
    const writer = this.#writer;
    writer.bytes(PREFACE);
    writer.header(FrameType.settings, 0, 0, 6);
    writer.u16(Setting.initialWindowSize);
    writer.u32(MAX_WINDOW);
    this.#widen(MAX_WINDOW - INITIAL_WINDOW);
    this.#flush();
  }

  /** `path`: of the method that it calls. */
  static open(address: string, path: string): Promise<LoadConnection> {
    const [host, port] = address.split(":");
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(port), host as string, () => {
        socket.off("error", reject);
        resolve(new LoadConnection(socket, address, path));
      });
      socket.once("error", reject);
    });
  }

  /** `message` with its header; `last`: no other follows. */
  call(message: Buffer, last: boolean, listener: Listener): void {
    if (this.#window < message.length) {
      this.#waiting.push(() => this.call(message, last, listener));
      return;
    }
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#streams.set(stream, { listener, told: false });
    const block = this.#headers(stream === 1);
    this.#writer.header(FrameType.headers, Flag.endHeaders, stream, block.length);
    this.#writer.bytes(block);
    this.#window -= message.length;
    this.#writer.header(FrameType.data, last ? Flag.endStream : 0, stream, message.length);
    this.#writer.bytes(message);
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** As other clients: fields in full the first time, and then by their place in the table (RFC 7541). */
  #headers(first: boolean): Buffer {
    if (!first) return Buffer.of(0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe);
    const text = (value: string) => [value.length, ...Buffer.from(value)];
    return Buffer.from([
      ...[0x83, 0x86, 0x44, ...text(this.#path), 0x41, ...text(this.#authority)],
      ...[0x5f, ...text("application/grpc"), 0x40, ...text("te"), ...text("trailers")],
    ]);
  }

  readonly #handle = (type: number, flags: number, id: number, payload: Buffer): void => {
    const stream = this.#streams.get(id);
    switch (type) {
      case FrameType.data:
        this.#received += payload.length;
        if (this.#received > REPLENISH) {
          this.#widen(this.#received);
          this.#received = 0;
        }
        if (stream !== undefined && payload.length > 0) {
          stream.told = true;
          stream.listener.data(payload);
        }
        if ((flags & Flag.endStream) !== 0) this.#end(id);
        return;
      case FrameType.headers:
        if ((flags & Flag.endStream) !== 0) this.#end(id);
        return;
      case FrameType.resetStream:
        this.#end(id);
        return;
      case FrameType.settings:
        if ((flags & Flag.ack) === 0) this.#writer.header(FrameType.settings, Flag.ack, 0, 0);
        return;
      case FrameType.ping:
        if ((flags & Flag.ack) !== 0) return;
        this.#writer.header(FrameType.ping, Flag.ack, 0, payload.length);
        this.#writer.bytes(payload);
        return;
      case FrameType.windowUpdate:
        if (id !== 0) return;
        this.#window += payload.readUInt32BE(0);
        for (const send of this.#waiting.splice(0)) send();
    }
  };

  #end(id: number): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.listener.ended(stream.told);
  }

  #widen(bytes: number): void {
    this.#writer.header(FrameType.windowUpdate, 0, 0, 4);
    this.#writer.u32(bytes);
  }

  #flush(): void {
    if (this.#writer.length > 0 && !this.#socket.destroyed) this.#socket.write(this.#writer.take());
  }
}
