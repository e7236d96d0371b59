/** What a member counts of itself, under etcd's names where they mean the same. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { API_VERSION } from "./maintenance.ts";
import type { LocalMember } from "./member.ts";
import { goCode } from "./rpc.ts";

export class EdgeMetrics {
  readonly #registry = new Registry();
  /** By path and code: counted with every call, and so without the counter's own labels. */
  readonly #handled = new Map<string, Map<string, number>>();

  constructor({ node }: LocalMember) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const handled = this.#handled;
    new Counter({
      name: "grpc_server_handled_total",
      help: "Total number of RPCs completed on the server, regardless of success or failure.",
      labelNames: ["grpc_service", "grpc_method", "grpc_code"],
      registers,
      collect() {
        this.reset();
        for (const [path, codes] of handled) {
          const [, grpc_service = "", grpc_method = ""] = path.split("/");
          for (const [code, count] of codes)
            this.inc({ grpc_service, grpc_method, grpc_code: goCode(code) }, count);
        }
      },
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
    let codes = this.#handled.get(path);
    if (codes === undefined) {
      codes = new Map();
      this.#handled.set(path, codes);
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
