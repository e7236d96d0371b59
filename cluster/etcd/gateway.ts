/**
 * etcd's API as JSON over HTTP/1: POST to a path per method, bytes in base64, 64-bit integers as strings, a stream as
 * one {"result":…} per line. Calls reach the handlers that gRPC's reach. And what a monitor asks for: /health,
 * /version, /metrics.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { JsonSequence } from "./json-sequence.ts";
import { API_VERSION } from "./maintenance.ts";
import type { MemberClient } from "./member.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { ROUTES } from "./routes.ts";
import { type Bound, type Call, type Method, RpcError, STATUS_NUMBERS, type StreamCall } from "./rpc.ts";
import { methodSchemas, schema } from "./schema.ts";

export interface GatewayOptions {
  readonly maxRequestBytes: number;
  readonly metrics: EdgeMetrics;
}

const JSON_TYPE = "application/json";
const FOR_MONITORS: ReadonlySet<string> = new Set(["/health", "/version", "/metrics"]);

export function gateway(
  methods: readonly Bound[],
  member: MemberClient,
  { maxRequestBytes, metrics }: GatewayOptions,
): RequestListener {
  const byPath = new Map(methods.map((bound) => [bound.method.path, bound]));
  return (request, response) => {
    const pathname = pathOf(request.url ?? "/");
    const wanted = FOR_MONITORS.has(pathname) ? "GET" : "POST";
    if (request.method !== wanted && (wanted === "GET" || ROUTES.has(pathname))) {
      answer(response, 405, refusal("UNIMPLEMENTED", "Method Not Allowed"));
      return;
    }
    if (pathname === "/health") {
      void health(member).then((reason) =>
        answer(response, reason === "" ? 200 : 503, { health: String(reason === ""), reason }),
      );
      return;
    }
    if (pathname === "/version") {
      const cluster = API_VERSION.replace(/\d+$/, "0");
      answer(response, 200, { etcdserver: API_VERSION, etcdcluster: cluster });
      return;
    }
    if (pathname === "/metrics") {
      void metrics.text().then((text) => {
        response.writeHead(200, { "content-type": metrics.contentType }).end(text);
      });
      return;
    }
    const path = ROUTES.get(pathname);
    const bound = path === undefined ? undefined : byPath.get(path);
    const described = path === undefined ? undefined : methodSchemas.get(path);
    if (bound === undefined || described === undefined)
      answer(response, 404, refusal("NOT_FOUND", "Not Found"));
    else new GatewayCall(request, response, bound, described, maxRequestBytes, metrics);
  };
}

/** Without a query. What no URL can be made of, such as "//", is the path of nothing. */
function pathOf(target: string): string {
  return URL.canParse(target, "http://localhost") ? new URL(target, "http://localhost").pathname : "";
}

/** Why it is not well; "" if it is. */
async function health(member: MemberClient): Promise<string> {
  if (member.local.node.leader === 0) return "RAFT NO LEADER";
  try {
    const { alarms } = await member.request({ kind: "alarm", action: "get", member: "0", alarm: "none" });
    return alarms.length === 0 ? "" : `ALARM ${(alarms[0] as { alarm: string }).alarm.toUpperCase()}`;
  } catch (thrown) {
    return `QGET ERROR:${RpcError.from(thrown).message}`;
  }
}

/** One request over HTTP, as a call. */
class GatewayCall implements StreamCall<unknown, unknown> {
  readonly #response: ServerResponse;
  readonly #request: IncomingMessage;
  readonly #method: Method;
  readonly #described: DescMethod;
  readonly #metrics: EdgeMetrics;
  readonly #cancelled: (() => void)[] = [];
  #open = true;
  onRequest: (request: unknown) => void = () => {};
  onEnd: () => void = () => {};
  onDrain: () => void = () => {};

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    bound: Bound,
    described: DescMethod,
    maxBytes: number,
    metrics: EdgeMetrics,
  ) {
    this.#request = request;
    this.#response = response;
    this.#method = bound.method;
    this.#described = described;
    this.#metrics = metrics;
    response.on("close", () => {
      this.#open = false;
      for (const listener of this.#cancelled) listener();
    });
    response.on("drain", () => this.onDrain());
    response.on("error", () => {});
    try {
      if (bound.kind === "unary") this.#unary(bound, maxBytes);
      else this.#stream(bound, maxBytes);
    } catch (thrown) {
      this.end(RpcError.from(thrown));
    }
  }

  metadata(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  get commonName(): undefined {
    // As in etcd: behind the gateway, certificates speak for nobody.
    return undefined;
  }

  onCancel(listener: () => void): void {
    if (this.#response.closed) listener();
    else this.#cancelled.push(listener);
  }

  get buffered(): number {
    // In messages, roughly; what counts is that it grows.
    return this.#response.writableLength / 1024;
  }

  send(response: unknown): void {
    if (!this.#open) return;
    if (!this.#response.headersSent) this.#response.writeHead(200, { "content-type": JSON_TYPE });
    this.#response.write(`${JSON.stringify({ result: this.#encode(response) })}\n`);
  }

  end(error?: RpcError): void {
    if (!this.#open) return;
    this.#open = false;
    this.#metrics.ended(this.#method.path, error?.code ?? "OK");
    if (error === undefined) this.#response.end();
    else if (!this.#response.headersSent) {
      answer(this.#response, httpStatus(error.code), refusal(error.code, error.message));
    } else {
      const http_code = httpStatus(error.code);
      const told = { grpc_code: STATUS_NUMBERS[error.code], http_code, message: error.message };
      this.#response.end(`${JSON.stringify({ error: told })}\n`);
    }
  }

  #unary(bound: Extract<Bound, { kind: "unary" }>, maxBytes: number): void {
    let handled = false;
    const sequence = this.#read(maxBytes, (request) => {
      if (handled) return;
      handled = true;
      Promise.resolve()
        .then(() => bound.handle(request, this as Call))
        .then((response) => {
          if (!this.#open) return;
          this.#open = false;
          this.#metrics.ended(this.#method.path, "OK");
          answer(this.#response, 200, this.#encode(response));
        })
        .catch((thrown) => this.end(RpcError.from(thrown)));
    });
    this.#request.on("end", () => {
      if (sequence.incomplete) this.end(new RpcError("INVALID_ARGUMENT", "unexpected EOF"));
      // As in etcd, nothing at all is an empty request.
      else if (!handled) sequence.push("{}");
    });
  }

  #stream(bound: Extract<Bound, { kind: "stream" }>, maxBytes: number): void {
    bound.handle(this);
    const sequence = this.#read(maxBytes, (request) => this.onRequest(request));
    this.#request.on("end", () => {
      if (sequence.incomplete) this.end(new RpcError("INVALID_ARGUMENT", "unexpected EOF"));
      else this.onEnd();
    });
  }

  /** Hands over the requests in the body. */
  #read(maxBytes: number, use: (request: unknown) => void): JsonSequence {
    const sequence = new JsonSequence(2 * maxBytes, (text) => {
      if (this.#open) use(this.#decode(text));
    });
    this.#request.setEncoding("utf8");
    this.#request.on("data", (text: string) => {
      try {
        sequence.push(text);
      } catch (thrown) {
        this.end(
          thrown instanceof RpcError ? thrown : new RpcError("INVALID_ARGUMENT", (thrown as Error).message),
        );
        this.#request.destroy();
      }
    });
    this.#request.on("error", () => {});
    return sequence;
  }

  #decode(text: string): unknown {
    const { input } = this.#described;
    const message = fromJson(input, JSON.parse(text) as JsonValue, { registry: schema });
    return this.#method.requestDeserialize(Buffer.from(toBinary(input, message)));
  }

  #encode(response: unknown): JsonValue {
    const { output }: { readonly output: DescMessage } = this.#described;
    const message = fromBinary(output, this.#method.responseSerialize(response));
    return toJson(output, message, { useProtoFieldName: true, registry: schema });
  }
}

function refusal(code: keyof typeof STATUS_NUMBERS, message: string): JsonValue {
  return { error: message, code: STATUS_NUMBERS[code], message };
}

function answer(response: ServerResponse, status: number, body: JsonValue): void {
  response.writeHead(status, { "content-type": JSON_TYPE }).end(JSON.stringify(body));
}

/** As grpc-gateway translates codes. */
function httpStatus(code: keyof typeof STATUS_NUMBERS): number {
  switch (code) {
    case "INVALID_ARGUMENT":
    case "FAILED_PRECONDITION":
    case "OUT_OF_RANGE":
      return 400;
    case "UNAUTHENTICATED":
      return 401;
    case "PERMISSION_DENIED":
      return 403;
    case "NOT_FOUND":
      return 404;
    case "CANCELLED":
      return 408;
    case "RESOURCE_EXHAUSTED":
      return 429;
    case "UNIMPLEMENTED":
      return 501;
    case "UNAVAILABLE":
      return 503;
    case "DEADLINE_EXCEEDED":
      return 504;
    default:
      return 500;
  }
}
