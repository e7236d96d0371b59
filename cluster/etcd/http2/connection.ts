/**
 * The server's end of an HTTP/2 connection (RFC 9113): streams that a client opens, multiplexed, with flow control in
 * both directions. What is sent within a turn of the event loop leaves in one write, and while the socket takes no
 * more, what streams have to say waits with them.
 */
import type { Duplex } from "node:stream";
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameReader,
  FrameType,
  FrameWriter,
  INITIAL_WINDOW,
  MAX_FRAME,
  MAX_WINDOW,
  PREFACE,
  Setting,
} from "./frames.ts";
import { type Field, HeaderDecoder, TABLE_BYTES } from "./hpack.ts";
import { areTrailers, isRequest } from "./message.ts";
import { Stream, type StreamHost } from "./stream.ts";

/** What we let clients send before we have looked at it. Bytes. */
const STREAM_WINDOW = 1 << 20;
const CONNECTION_WINDOW = 4 << 20;
/** Bytes of header fields of one request at most, packed and unpacked. */
const MAX_FIELDS = 64 * 1024;
/** Streams of a connection at a time. */
export const MAX_STREAMS = 10_000;
/** Bytes handed to the socket before it is asked whether it takes more. */
const WRITE_BYTES = 256 * 1024;
/** Bytes of answers to control frames that wait for a client that reads nothing. */
const MAX_UNREAD = 1 << 20;

/** Bytes of responses that wait for a client that does not read them; it may then not ask for more. */
const MAX_HELD = 64 << 20;
/** How long a client has to take what was sent before the end. */
const LINGER_MS = 1_000;

/** Streams that we ended before their clients did, newest of them that are remembered. */
const MAX_CUT_SHORT = 1_000;

const NOTHING = Buffer.alloc(0);

export interface ConnectionOptions {
  /** A request has come. Listeners of the stream are to be set at once. */
  request(stream: Stream, fields: readonly Field[]): void;
  /** The connection is gone. */
  closed(): void;
}

export class Connection implements StreamHost {
  readonly socket: Duplex;
  readonly #options: ConnectionOptions;
  readonly #reader = new FrameReader();
  readonly #writer = new FrameWriter();
  readonly #fields = new HeaderDecoder(MAX_FIELDS);
  readonly #streams = new Map<number, Stream>();
  /** Streams that have something to send and wait for the socket, or for the connection's window. */
  readonly #waiting = new Set<Stream>();
  /** Streams that we ended while their client had more to say, which may still come. */
  readonly #cutShort = new Set<number>();
  /** The part of the preface that has not come yet. */
  #preface: Buffer = PREFACE;
  #lastStream = 0;
  /** A header block that goes on in the next frame. */
  #block: { readonly id: number; readonly flags: number; parts: Buffer[]; length: number } | undefined;
  /** What the client lets us send: on the connection, at first on a stream, and in a frame. */
  #window = INITIAL_WINDOW;
  #streamWindow = INITIAL_WINDOW;
  /** Streams may send more than before. */
  #streamWindowGrown = false;
  #maxFrame = MAX_FRAME;
  /** What we let the client send. */
  #received = 0;
  /** The client's table for our fields has become smaller, which the next block has to acknowledge. */
  #tableShrunk = false;
  #settled = false;
  #blocked = false;
  #flushing = false;
  #leaving = false;
  #ended = false;
  /** Bytes that wait in streams. */
  #held = 0;
  /** When something came last, and whether it was asked for a sign of life since. Milliseconds. */
  #heard = Date.now();
  #asked = false;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.socket = socket;
    this.#options = options;
    const writer = this.#writer;
    writer.header(FrameType.settings, 0, 0, 3 * 6);
    for (const [setting, value] of [
      [Setting.maxConcurrentStreams, MAX_STREAMS],
      [Setting.initialWindowSize, STREAM_WINDOW],
      [Setting.maxHeaderListSize, MAX_FIELDS],
    ] as const) {
      writer.u16(setting);
      writer.u32(value);
    }
    this.#widen(0, CONNECTION_WINDOW - INITIAL_WINDOW);
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
  }

  get streams(): number {
    return this.#streams.size;
  }

  receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.#heard = Date.now();
    this.#asked = false;
    try {
      const rest = this.#preface.length > 0 ? this.#begin(chunk) : chunk;
      if (rest.length > 0) this.#reader.push(rest, this.#handle);
      if (this.#streamWindowGrown) this.#useStreamWindow();
      this.flushLater();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#goAway(error.code, error.message);
      this.#end();
      for (const stream of [...this.#streams.values()]) stream.closed();
    }
  }

  /** Takes no more requests. The connection ends when those it has are answered. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#goAway(ErrorCode.none, "");
    if (this.#streams.size === 0) this.#end();
  }

  /** Says whether the other end is still there, to be asked now and then: silence of `idle` ms asks it for a sign. */
  alive(now: number, idle: number, patience: number): boolean {
    const silence = now - this.#heard;
    if (silence < idle) return true;
    if (this.#asked) return silence < idle + patience;
    this.#asked = true;
    this.#writer.header(FrameType.ping, 0, 0, 8);
    this.#writer.bytes(Buffer.alloc(8));
    this.flushLater();
    return true;
  }

  // For streams

  get blocked(): boolean {
    return this.#blocked;
  }

  get room(): number {
    return Math.min(this.#window, this.#maxFrame);
  }

  get streamWindow(): number {
    return this.#streamWindow;
  }

  sendFields(id: number, block: Buffer, end: boolean): void {
    const prefix = this.#tableShrunk ? Buffer.of(0x20) : NOTHING;
    this.#tableShrunk = false;
    const length = prefix.length + block.length;
    const flags = end ? Flag.endStream : 0;
    if (length <= this.#maxFrame) {
      this.#writer.header(FrameType.headers, flags | Flag.endHeaders, id, length);
      this.#writer.bytes(prefix);
      this.#writer.bytes(block);
    } else this.#sendLong(id, Buffer.concat([prefix, block]), flags);
    this.flushLater();
  }

  sendData(id: number, bytes: Buffer, from: number, to: number): void {
    this.#window -= to - from;
    this.#writer.header(FrameType.data, 0, id, to - from);
    this.#writer.bytes(bytes, from, to);
    this.flushLater();
  }

  sendReset(id: number, code: number): void {
    this.#writer.header(FrameType.resetStream, 0, id, 4);
    this.#writer.u32(code);
    this.flushLater();
  }

  widen(id: number, bytes: number): void {
    this.#widen(id, bytes);
    this.flushLater();
  }

  wait(stream: Stream): void {
    this.#waiting.add(stream);
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  forget(stream: Stream): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    if (!stream.remoteEnded) this.#cut(stream.id);
    if (this.#leaving && this.#streams.size === 0) this.#end();
  }

  // Incoming

  #begin(chunk: Buffer): Buffer {
    const length = Math.min(chunk.length, this.#preface.length);
    if (chunk.compare(this.#preface, 0, length, 0, length) !== 0)
      throw new ConnectionError(ErrorCode.protocol, "this is not HTTP/2");
    this.#preface = this.#preface.subarray(length);
    return chunk.subarray(length);
  }

  readonly #handle = (type: number, flags: number, id: number, payload: Buffer): void => {
    if (this.#block !== undefined && type !== FrameType.continuation)
      throw new ConnectionError(ErrorCode.protocol, "a header block is cut short");
    if (!this.#settled && type !== FrameType.settings)
      throw new ConnectionError(ErrorCode.protocol, "the client does not begin with its settings");
    switch (type) {
      case FrameType.data:
        this.#data(flags, id, payload);
        return;
      case FrameType.headers:
        this.#headers(flags, id, payload);
        return;
      case FrameType.priority:
        if (id === 0) throw new ConnectionError(ErrorCode.protocol, "a priority without a stream");
        if (payload.length !== 5) this.#refuse(id, ErrorCode.frameSize);
        return;
      case FrameType.resetStream:
        checkLength("RST_STREAM", payload, 4);
        this.#known(id)?.abandoned();
        return;
      case FrameType.settings:
        this.#settings(flags, id, payload);
        return;
      case FrameType.pushPromise:
        throw new ConnectionError(ErrorCode.protocol, "clients promise nothing");
      case FrameType.ping:
        this.#ping(flags, id, payload);
        return;
      case FrameType.goAway:
        if (id !== 0) throw new ConnectionError(ErrorCode.protocol, "a farewell on a stream");
        return;
      case FrameType.windowUpdate:
        this.#widened(id, payload);
        return;
      case FrameType.continuation:
        this.#continue(flags, id, payload);
        return;
      // Whatever else there is has no meaning yet.
    }
  };

  /** Undefined for a stream that is closed already, where frames may still be under way. */
  #known(id: number): Stream | undefined {
    if (id === 0 || id > this.#lastStream)
      throw new ConnectionError(ErrorCode.protocol, "a frame on a stream that was never opened");
    return this.#streams.get(id);
  }

  #data(flags: number, id: number, payload: Buffer): void {
    const stream = this.#known(id);
    this.#received += payload.length;
    if (this.#received > CONNECTION_WINDOW)
      throw new ConnectionError(ErrorCode.flowControl, "more data than the connection's window allows");
    if (this.#received >= CONNECTION_WINDOW / 2) {
      this.#widen(0, this.#received);
      this.#received = 0;
    }
    if (stream === undefined) {
      this.#unexpected(id);
      return;
    }
    if (stream.remoteEnded) {
      this.#refuse(id, ErrorCode.streamClosed);
      return;
    }
    if (!stream.count(payload.length)) {
      this.#refuse(id, ErrorCode.flowControl);
      return;
    }
    const data = (flags & Flag.padded) === 0 ? payload : unpadded(payload, 0);
    stream.receive(data, (flags & Flag.endStream) !== 0);
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if (id === 0 || id % 2 === 0)
      throw new ConnectionError(ErrorCode.protocol, `clients do not open stream ${id}`);
    const priority = (flags & Flag.priority) === 0 ? 0 : 5;
    let block = (flags & Flag.padded) === 0 ? payload : unpadded(payload, priority);
    if (block.length < priority) throw new ConnectionError(ErrorCode.frameSize, "too short for its priority");
    block = block.subarray(priority);
    if ((flags & Flag.endHeaders) !== 0) this.#fieldsOf(id, flags, block);
    else this.#block = { id, flags, parts: [block], length: block.length };
  }

  #continue(flags: number, id: number, payload: Buffer): void {
    const block = this.#block;
    if (block === undefined || block.id !== id)
      throw new ConnectionError(ErrorCode.protocol, "a continuation of nothing");
    block.length += payload.length;
    // Frames without contents count too, or they could go on for ever.
    block.parts.push(payload);
    if (block.length > MAX_FIELDS || block.parts.length > MAX_FIELDS / 64)
      throw new ConnectionError(ErrorCode.enhanceYourCalm, `header fields above ${MAX_FIELDS} bytes`);
    if ((flags & Flag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#fieldsOf(id, block.flags, Buffer.concat(block.parts, block.length));
  }

  #fieldsOf(id: number, flags: number, block: Buffer): void {
    // Whatever becomes of the request: the tables must stay the same.
    const fields = this.#fields.decode(block);
    const end = (flags & Flag.endStream) !== 0;
    if (id <= this.#lastStream) {
      const stream = this.#streams.get(id);
      // Fields after the data end it, and what they say has no meaning here.
      if (stream === undefined) this.#unexpected(id);
      else if (stream.remoteEnded) this.#refuse(id, ErrorCode.streamClosed);
      else if (end && areTrailers(fields)) stream.receive(NOTHING, true);
      else this.#refuse(id, ErrorCode.protocol);
      return;
    }
    this.#lastStream = id;
    const overloaded = this.#leaving || this.#streams.size >= MAX_STREAMS || this.#held > MAX_HELD;
    if (overloaded || !isRequest(fields)) {
      this.sendReset(id, overloaded ? ErrorCode.refusedStream : ErrorCode.protocol);
      if (!end) this.#cut(id);
      return;
    }
    const stream = new Stream(id, this, STREAM_WINDOW, end);
    this.#streams.set(id, stream);
    this.#options.request(stream, fields);
    if (end) stream.onEnd();
  }

  #settings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.protocol, "settings of a stream");
    if ((flags & Flag.ack) !== 0) {
      checkLength("an acknowledgement of settings", payload, 0);
      return;
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.frameSize, "settings cut short");
    this.#settled = true;
    for (let at = 0; at < payload.length; at += 6)
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    this.#writer.header(FrameType.settings, Flag.ack, 0, 0);
  }

  #set(setting: number, value: number): void {
    if (setting === Setting.enablePush && value > 1)
      throw new ConnectionError(ErrorCode.protocol, "push is neither on nor off");
    if (setting === Setting.headerTableSize && value < TABLE_BYTES) this.#tableShrunk = true;
    if (setting === Setting.maxFrameSize) {
      if (value < MAX_FRAME || value > 0xff_ffff)
        throw new ConnectionError(ErrorCode.protocol, `frames of ${value} bytes`);
      this.#maxFrame = value;
    }
    if (setting === Setting.initialWindowSize) {
      if (value > MAX_WINDOW) throw new ConnectionError(ErrorCode.flowControl, "the window is too large");
      if (value > this.#streamWindow) this.#streamWindowGrown = true;
      this.#streamWindow = value;
    }
  }

  /** Once for all that has come: a client may change its mind a thousand times in one frame. */
  #useStreamWindow(): void {
    this.#streamWindowGrown = false;
    for (const stream of [...this.#streams.values()])
      if (!stream.widen(0)) throw new ConnectionError(ErrorCode.flowControl, "the window is too large");
  }

  #ping(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.protocol, "a ping on a stream");
    checkLength("PING", payload, 8);
    if ((flags & Flag.ack) !== 0) return;
    this.#writer.header(FrameType.ping, Flag.ack, 0, 8);
    this.#writer.bytes(payload);
  }

  #widened(id: number, payload: Buffer): void {
    checkLength("WINDOW_UPDATE", payload, 4);
    const bytes = payload.readUInt32BE(0) & MAX_WINDOW;
    if (id !== 0) {
      const stream = this.#known(id);
      if (bytes === 0) this.#refuse(id, ErrorCode.protocol);
      else if (stream?.widen(bytes) === false) this.#refuse(id, ErrorCode.flowControl);
      return;
    }
    if (bytes === 0) throw new ConnectionError(ErrorCode.protocol, "a window that grows by nothing");
    this.#window += bytes;
    if (this.#window > MAX_WINDOW)
      throw new ConnectionError(ErrorCode.flowControl, "the window is too large");
    this.#resume();
  }

  /** Ends a stream whose client breaks the rules. */
  #refuse(id: number, code: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.sendReset(id, code);
    stream.closed();
  }

  /** A request goes on that is over: our doing, or the client has said itself that this was all (section 5.1). */
  #unexpected(id: number): void {
    if (!this.#cutShort.has(id)) this.sendReset(id, ErrorCode.streamClosed);
  }

  #cut(id: number): void {
    this.#cutShort.add(id);
    if (this.#cutShort.size <= MAX_CUT_SHORT) return;
    const [oldest] = this.#cutShort;
    this.#cutShort.delete(oldest as number);
  }

  // Outgoing

  #widen(id: number, bytes: number): void {
    this.#writer.header(FrameType.windowUpdate, 0, id, 4);
    this.#writer.u32(bytes);
  }

  /** A block longer than a frame (section 6.10). */
  #sendLong(id: number, block: Buffer, flags: number): void {
    for (let at = 0; at < block.length; at += this.#maxFrame) {
      const part = block.subarray(at, at + this.#maxFrame);
      const last = at + part.length === block.length ? Flag.endHeaders : 0;
      const type = at === 0 ? FrameType.headers : FrameType.continuation;
      this.#writer.header(type, (at === 0 ? flags : 0) | last, id, part.length);
      this.#writer.bytes(part);
    }
  }

  #goAway(code: number, reason: string): void {
    const text = Buffer.from(reason);
    this.#writer.header(FrameType.goAway, 0, 0, 8 + text.length);
    this.#writer.u32(this.#lastStream);
    this.#writer.u32(code);
    this.#writer.bytes(text);
    this.flushLater();
  }

  /** Lets what was written leave at the end of this turn. */
  flushLater(): void {
    if (this.#writer.length > WRITE_BYTES) this.#flush();
    if (this.#flushing || this.#writer.length === 0) return;
    this.#flushing = true;
    process.nextTick(this.#flushNow);
  }

  readonly #flushNow = (): void => {
    this.#flushing = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#writer.length === 0 || this.#ended || this.socket.destroyed) return;
    if (this.#blocked) {
      if (this.#writer.length > MAX_UNREAD + WRITE_BYTES) this.socket.destroy();
      return;
    }
    if (!this.socket.write(this.#writer.take())) this.#blocked = true;
  }

  #drained(): void {
    this.#blocked = false;
    this.#flush();
    this.#resume();
  }

  /** Lets each stream that waits send what there is room for. */
  #resume(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const stream of waiting) stream.resume();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.socket.end(this.#writer.take());
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }

  #closed(): void {
    this.#ended = true;
    for (const stream of [...this.#streams.values()]) stream.closed();
    this.#options.closed();
  }
}

function checkLength(what: string, payload: Buffer, length: number): void {
  if (payload.length !== length)
    throw new ConnectionError(ErrorCode.frameSize, `${what} of ${payload.length} bytes`);
}

/** Without the padding, of which the first byte says how long it is; it must leave at least `least` bytes. */
function unpadded(payload: Buffer, least: number): Buffer {
  const end = payload.length - (payload[0] ?? payload.length);
  if (end < 1 + least) throw new ConnectionError(ErrorCode.protocol, "more padding than there is");
  return payload.subarray(1, end);
}
