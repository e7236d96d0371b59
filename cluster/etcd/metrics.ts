/** What a member counts of itself, under etcd's names where they mean the same. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { API_VERSION } from "./maintenance.ts";
import type { LocalMember } from "./member.ts";
import { goCode } from "./rpc.ts";

export class EdgeMetrics {
  readonly #registry = new Registry();
  readonly #handled: Counter<"grpc_service" | "grpc_method" | "grpc_code">;

  constructor({ node }: LocalMember) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#handled = new Counter({
      name: "grpc_server_handled_total",
      help: "Total number of RPCs completed on the server, regardless of success or failure.",
      labelNames: ["grpc_service", "grpc_method", "grpc_code"],
      registers,
    });
    new Gauge({
      name: "etcd_server_version",
      help: "Which version of etcd's API is served. 1 for 'server_version' label with current version.",
      labelNames: ["server_version"],
      registers,
    }).set({ server_version: API_VERSION }, 1);
    const gauges: readonly (readonly [name: string, help: string, read: () => number])[] = [
      [
        "etcd_server_has_leader",
        "Whether or not a leader exists. 1 is existence, 0 is not.",
        () => Number(node.leader !== 0),
      ],
      [
        "etcd_server_is_leader",
        "Whether or not this member is a leader. 1 if is, 0 otherwise.",
        () => Number(node.leader === node.member),
      ],
      [
        "etcd_server_is_learner",
        "Whether or not this member is a learner. 1 if is, 0 otherwise.",
        () => Number(node.learner),
      ],
      [
        "etcd_debugging_mvcc_current_revision",
        "The current revision of store.",
        () => node.header().revision,
      ],
    ];
    for (const [name, help, read] of gauges)
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
  }

  /** A call has ended. `path` is "/package.Service/Method". */
  ended(path: string, code: string): void {
    const [, service = "", method = ""] = path.split("/");
    this.#handled.inc({ grpc_service: service, grpc_method: method, grpc_code: goCode(code) });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
