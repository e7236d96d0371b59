/**
 * What clients were told of their writes, against what the replicated log did. `ok` must have been applied, once;
 * a definite failure never, by no member and at no later time. Only a simulator can look at both ends.
 *
 * A request is followed from the client's hands to the log by identity: unless messages pass through their wire
 * format, the very object that a client sends is what a member proposes. A member adds the caller to what it proposes
 * for one, so that requests of users are not followed.
 */
import type { Anomaly, Verdict } from "../../src/checker.ts";
import type { NodeId } from "../../src/history/op.ts";
import { ApiError, type KvApi, type KvRequest, type KvResponse } from "../api.ts";
import type { Applied, Command } from "../kv/command.ts";
import { isReadOnly } from "../kv/store.ts";
import { proposalHeader } from "../node/proposal.ts";
import type { Entry, Index } from "../raft/message.ts";
import type { SiteWatch } from "./site-watch.ts";

/** Requests that become commands as they are. */
const WRITES: ReadonlySet<KvRequest["kind"]> = new Set([
  "put",
  "delete-range",
  "txn",
  "compact",
  "lease-revoke",
]);

/** A transaction that only reads never goes through the log. */
function isWrite(request: KvRequest): boolean {
  return WRITES.has(request.kind) && !(request.kind === "txn" && isReadOnly(request));
}

/** A write of a client's. */
interface Write {
  readonly node: NodeId;
  readonly kind: KvRequest["kind"];
  /** As the client saw it so far; "info" while it waits. */
  outcome: "ok" | "fail" | "info";
  error: string;
  /** Where it took effect. */
  readonly applied: Index[];
}

export class GroundTruth {
  readonly #sites: SiteWatch;
  readonly #writes: Write[] = [];
  readonly #byRequest = new Map<object, Write>();
  readonly #byProposal = new Map<string, Write>();
  /** Every member applies the same: one look at each entry is enough. */
  #seen: Index = 0;

  constructor(sites: SiteWatch) {
    this.#sites = sites;
  }

  /** The same door to a node, with an ear at it. */
  overhear(api: KvApi, node: NodeId): KvApi {
    return {
      request: (request, caller) =>
        isWrite(request) && caller === undefined
          ? this.#follow(api, node, request)
          : api.request(request, caller),
      watch: (request, handlers) => api.watch(request, handlers),
      close: () => api.close(),
    };
  }

  proposed(command: Command, data: Uint8Array): void {
    const write = this.#byRequest.get(command);
    if (write !== undefined) this.#byProposal.set(proposalHeader(data), write);
  }

  commandApplied(entry: Entry, { response }: Applied): void {
    if (entry.index <= this.#seen) return;
    this.#seen = entry.index;
    if (response.kind === "error") return;
    this.#byProposal.get(proposalHeader(entry.data))?.applied.push(entry.index);
  }

  /** Call it when nothing is under way any more. Undefined if there was no write to judge. */
  verdict(): Verdict | undefined {
    if (this.#writes.length === 0) return undefined;
    const anomalies = this.#writes.flatMap((write) => objection(write) ?? []);
    for (const { outcome, applied } of this.#writes)
      if (outcome === "info" && applied.length > 0) this.#sites.reach("timed-out-yet-applied");
    const [first] = anomalies;
    return {
      checker: "ground-truth",
      validity: first === undefined ? "valid" : "invalid",
      reason:
        first?.explanation ?? `the log agrees with what clients were told of ${this.#writes.length} writes`,
      checked: this.#writes.length,
      anomalies,
    };
  }

  #follow<R extends KvRequest>(api: KvApi, node: NodeId, request: R): Promise<KvResponse<R["kind"]>> {
    // A copy: a client may send one object twice.
    const sent: R = { ...request };
    const write: Write = { node, kind: sent.kind, outcome: "info", error: "", applied: [] };
    this.#writes.push(write);
    this.#byRequest.set(sent, write);
    const answer = api.request(sent);
    answer.then(
      () => {
        write.outcome = "ok";
      },
      (error: unknown) => {
        if (!(error instanceof ApiError) || !error.definite) return;
        write.outcome = "fail";
        write.error = error.message;
      },
    );
    return answer;
  }
}

function objection({ node, kind, outcome, error, applied }: Write): Anomaly | undefined {
  const [at] = applied;
  const what = `a ${kind} sent to ${node}`;
  const found = (name: string, explanation: string): Anomaly => ({
    name,
    guarantee: "outcomes are true",
    explanation,
    witness: [],
  });
  if (applied.length > 1)
    return found("applied twice", `${what} took effect more than once, as entries ${applied.join(", ")}`);
  if (outcome === "fail" && at !== undefined)
    return found(
      "failed yet applied",
      `${what} failed for certain (${error}), yet entry ${at} carried it out`,
    );
  if (outcome === "ok" && at === undefined)
    return found("acknowledged yet not applied", `${what} was acknowledged, yet no entry carried it out`);
  return undefined;
}
