/**
 * Remote procedure calls as services see them, whatever carries them: gRPC, or JSON over HTTP. A carrier decodes
 * requests, calls the handler of the method, and encodes what comes back.
 */
import type { StatusCode, StatusError } from "../kv/request.ts";

/** gRPC's numbers. */
export const STATUS_NUMBERS: { readonly [code in StatusCode]: number } = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

/** As Go's gRPC library writes codes: "InvalidArgument". */
export function goCode(code: string): string {
  if (code === "OK") return code;
  if (code === "CANCELLED") return "Canceled";
  return code.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** What a handler throws: it becomes the call's status. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: StatusCode;
  constructor(code: StatusCode, message: string) {
    super(message);
    this.code = code;
  }

  static of(error: StatusError): RpcError {
    return new RpcError(error.code, error.message);
  }

  /** Whatever was thrown, as a status: what was not meant as one is a mistake of ours. */
  static from(thrown: unknown): RpcError {
    if (thrown instanceof RpcError) return thrown;
    return new RpcError("INTERNAL", thrown instanceof Error ? thrown.message : String(thrown));
  }
}

/** What is known of a call besides its request. */
export interface Call {
  /** The first value of a metadata entry, by its lower-case name. */
  metadata(name: string): string | undefined;
  /** Common name in the client's verified certificate. */
  readonly commonName: string | undefined;
  /** Runs `listener` when the client gives up, its deadline passes, or its connection breaks; at once if it has. */
  onCancel(listener: () => void): void;
}

/** A call with a stream in at least one direction. */
export interface StreamCall<Request, Response> extends Call {
  /** Requests, and the end of them. Handlers set both before they return. */
  onRequest: (request: Request) => void;
  onEnd: () => void;
  send(response: Response): void;
  /** Responses that were sent and have not left yet: the measure of a slow reader. */
  readonly buffered: number;
  /** Runs each time when nothing is buffered any more. */
  onDrain: () => void;
  /** Ends the call, well without an error. What is sent afterwards is dropped. */
  end(error?: RpcError): void;
}

/** A method's name and wire format; generated from the proto files. */
export interface Method<Request = unknown, Response = unknown> {
  /** "/package.Service/Method" */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestDeserialize(bytes: Buffer): Request;
  responseSerialize(response: Response): Buffer;
}

type Definition = { readonly [method: string]: Method<unknown, never> };

type RequestOf<M> = M extends { requestDeserialize(bytes: Buffer): infer R } ? R : never;
type ResponseOf<M> = M extends { responseSerialize(response: infer R): Buffer } ? R : never;
type HandlerOf<M> = M extends { readonly requestStream: false; readonly responseStream: false }
  ? (request: RequestOf<M>, call: Call) => Promise<ResponseOf<M>>
  : (call: StreamCall<RequestOf<M>, ResponseOf<M>>) => void;

/** One handler per method: forget one, or mistype its response, and it does not compile. */
export type Handlers<D> = { readonly [M in keyof D]: HandlerOf<D[M]> };

export type UnaryHandler = (request: unknown, call: Call) => Promise<unknown>;
export type StreamHandler = (call: StreamCall<unknown, unknown>) => void;

export type Bound =
  | { readonly kind: "unary"; readonly method: Method; readonly handle: UnaryHandler }
  | { readonly kind: "stream"; readonly method: Method; readonly handle: StreamHandler };

/** The methods of a service with their handlers, by path. */
export function bind<D extends Definition>(definition: D, handlers: Handlers<D>): Bound[] {
  return Object.entries(definition).map(([name, generated]) => {
    const method = generated as unknown as Method;
    const handle = handlers[name] as unknown;
    return method.requestStream || method.responseStream
      ? { kind: "stream", method, handle: handle as StreamHandler }
      : { kind: "unary", method, handle: handle as UnaryHandler };
  });
}
