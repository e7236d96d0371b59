/** One call over gRPC: from the bytes of its requests to the status that it ends with. */
import { ACCEPTED_ENCODINGS, frameMessage, type MessageReader } from "./grpc-messages.ts";
import { encodeFields, type Field } from "./http2/hpack.ts";
import type { Stream } from "./http2/stream.ts";
import { type Bound, type Call, RpcError, STATUS_NUMBERS, type StreamCall } from "./rpc.ts";

/** Whoever is at the other end of a connection. */
export interface Client {
  /** Calls that are not answered yet, also if they were given up. */
  calls: number;
  readonly commonName: string | undefined;
}

export interface Opening {
  readonly client: Client;
  readonly stream: Stream;
  readonly fields: readonly Field[];
  readonly reader: MessageReader;
  /** Milliseconds until the client no longer waits; 0 if it always does. */
  readonly timeout: number;
  ended(path: string, code: string): void;
}

const BEGINNING: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const BEGUN = encodeFields(BEGINNING);
const OK = encodeFields([
  ["grpc-status", "0"],
  ["grpc-message", ""],
]);

/** A whole response that consists of its status. */
export function statusOnly(error: RpcError): Buffer {
  return encodeFields([...BEGINNING, ...statusFields(error)]);
}

function statusFields({ code, message }: RpcError): Field[] {
  return [
    ["grpc-status", String(STATUS_NUMBERS[code])],
    ["grpc-message", encodeMessage(message)],
    ...(code === "UNIMPLEMENTED" ? [["grpc-accept-encoding", ACCEPTED_ENCODINGS] as const] : []),
  ];
}

/** UTF-8, of which a field has the printable part of ASCII as it is, and the rest percent-encoded. */
function encodeMessage(message: string): string {
  return Buffer.from(message, "utf8")
    .toString("latin1")
    .replace(/[^ -$&-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

abstract class GrpcCall implements Call {
  protected readonly opening: Opening;
  protected readonly bound: Bound;
  readonly #deadline: NodeJS.Timeout | undefined;
  #listeners: (() => void)[] = [];
  #begun = false;
  #over = false;

  constructor(opening: Opening, bound: Bound) {
    this.opening = opening;
    this.bound = bound;
    const { stream, reader, timeout } = opening;
    stream.onData = (bytes) => this.#read(bytes);
    stream.onEnd = () => {
      if (!reader.whole) this.fail(new RpcError("INTERNAL", "unexpected EOF"));
      else if (!this.#over) this.requested();
    };
    stream.onClosed = () => this.#close();
    if (timeout > 0)
      this.#deadline = setTimeout(
        () => this.fail(new RpcError("DEADLINE_EXCEEDED", "context deadline exceeded")),
        timeout,
      );
  }

  protected abstract request(request: unknown): void;
  /** The client has nothing more to say. */
  protected abstract requested(): void;

  /** Nobody listens any more, or everything is said. */
  protected get over(): boolean {
    return this.#over;
  }

  metadata(name: string): string | undefined {
    return this.opening.fields.find((field) => field[0] === name)?.[1];
  }

  get commonName(): string | undefined {
    return this.opening.client.commonName;
  }

  onCancel(listener: () => void): void {
    if (this.#over) listener();
    else this.#listeners.push(listener);
  }

  protected say(response: unknown): void {
    const { stream } = this.opening;
    const message = frameMessage(this.bound.method.responseSerialize(response));
    this.#begin();
    stream.sendData(message);
  }

  protected succeed(): void {
    if (this.#over) return;
    this.opening.ended(this.bound.method.path, "OK");
    this.#begin();
    this.opening.stream.sendFields(OK, true);
    this.#close();
  }

  protected fail(thrown: unknown): void {
    if (this.#over) return;
    const error = RpcError.from(thrown);
    this.opening.ended(this.bound.method.path, error.code);
    this.opening.stream.sendFields(this.#begun ? encodeFields(statusFields(error)) : statusOnly(error), true);
    this.#close();
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.opening.stream.sendFields(BEGUN, false);
  }

  #read(bytes: Buffer): void {
    if (this.#over) return;
    try {
      this.opening.reader.push(bytes, (message) => {
        if (!this.#over) this.request(this.bound.method.requestDeserialize(message));
      });
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#deadline);
    this.opening.reader.drop();
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

export class UnaryCall extends GrpcCall {
  #asked = false;

  /** As in Go's library, the first message is answered, and others are not looked at. */
  protected request(request: unknown): void {
    if (this.#asked || this.bound.kind !== "unary") return;
    this.#asked = true;
    void this.#answer(this.bound.handle(request, this));
  }

  protected requested(): void {
    if (!this.#asked) this.fail(new RpcError("INTERNAL", "unexpected EOF"));
  }

  async #answer(answer: Promise<unknown>): Promise<void> {
    const { client } = this.opening;
    client.calls++;
    try {
      const response = await answer;
      if (this.over) return;
      this.say(response);
      this.succeed();
    } catch (thrown) {
      this.fail(thrown);
    } finally {
      client.calls--;
    }
  }
}

export class StreamingCall extends GrpcCall implements StreamCall<unknown, unknown> {
  onRequest: (request: unknown) => void = () => {};
  onEnd: () => void = () => {};
  onDrain: () => void = () => {};

  constructor(opening: Opening, bound: Extract<Bound, { kind: "stream" }>) {
    super(opening, bound);
    const { stream } = opening;
    stream.onDrain = () => this.onDrain();
    try {
      bound.handle(this);
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  get buffered(): number {
    return this.opening.stream.queued;
  }

  send(response: unknown): void {
    if (!this.over) this.say(response);
  }

  end(error?: RpcError): void {
    if (error === undefined) this.succeed();
    else this.fail(error);
  }

  protected request(request: unknown): void {
    this.onRequest(request);
  }

  protected requested(): void {
    this.onEnd();
  }
}
