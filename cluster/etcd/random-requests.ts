/**
 * Random requests of etcd's API, to be put to two servers: for tests. What is known to differ is not among them:
 *
 * - a range at a negative revision in a transaction, which etcd refuses as compacted, and takes for the newest elsewhere;
 * - a put and a delete up to "\0" that covers it in one transaction, an overlap that etcd does not see;
 * - where a server has other members: serializable reads, which may be old, and ranges at a revision in transactions:
 *   of one that is to come or was compacted, etcd fails on the member asked, and there only (etcd#18667); and
 *   transactions that neither read nor write, which etcd answers from what that member knows;
 * - sort orders and targets that do not exist, of which etcd dies (`server.test.ts` asks us).
 */
import type { ServiceError } from "@grpc/grpc-js";
import type { Random } from "../../src/runtime/random.ts";
import * as pb from "./generated/rpc.ts";
import { call, clientOf, message } from "./testbed.ts";

export const bytes = (text: string) => Buffer.from(text, "latin1");
const KEYS = ["a", "b", "c", "d", "ab", "b\0", "\xff"];
const VALUES = ["", "1", "2", "x".repeat(100), "\0\xff"];
export const LEASES = [0n, 0n, 0n, 11n, 12n, 13n];

export interface Step {
  readonly what: string;
  ask(clients: Clients): Promise<unknown>;
}

export class Clients {
  readonly kv: pb.KVClient;
  readonly lease: pb.LeaseClient;
  readonly watch: pb.WatchClient;
  readonly auth: pb.AuthClient;
  readonly cluster: pb.ClusterClient;
  readonly maintenance: pb.MaintenanceClient;
  /** By user. */
  readonly tokens = new Map<string, string>();

  constructor(address: string) {
    this.kv = clientOf(pb.KVClient, address);
    this.lease = clientOf(pb.LeaseClient, address);
    this.watch = clientOf(pb.WatchClient, address);
    this.auth = clientOf(pb.AuthClient, address);
    this.cluster = clientOf(pb.ClusterClient, address);
    this.maintenance = clientOf(pb.MaintenanceClient, address);
  }

  /** What to send along as a user. */
  as(user: string): { readonly [name: string]: string } {
    const token = this.tokens.get(user);
    return token === undefined ? {} : { token };
  }

  close(): void {
    const { kv, lease, watch, auth, cluster, maintenance } = this;
    for (const client of [kv, lease, watch, auth, cluster, maintenance]) client.close();
  }
}

/** Of headers, only the revision is comparable; ids and terms are each cluster's own. */
export function comparable(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString("latin1");
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !["clusterId", "memberId", "raftTerm", "token"].includes(name))
      .map(([name, inner]) => [name, comparable(inner)]),
  );
}

export async function outcome(step: Step, clients: Clients): Promise<unknown> {
  try {
    return comparable(await step.ask(clients));
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { code, details };
  }
}

export function interval(random: Random): { key: Buffer; rangeEnd: Buffer } {
  const key = random.pick(["", ...KEYS, ...KEYS, "\0"]);
  return { key: bytes(key), rangeEnd: bytes(random.pick(["", "", "", "\0", "c", "z", "a"])) };
}

/** The same, or the key alone where it would end before it begins. */
export function forward<R extends { readonly key: Buffer; readonly rangeEnd: Buffer }>(request: R): R {
  const { key, rangeEnd } = request;
  const backward = rangeEnd.length > 0 && !rangeEnd.equals(bytes("\0")) && key.compare(rangeEnd) >= 0;
  return backward ? { ...request, rangeEnd: bytes("") } : request;
}

export class Sequence {
  readonly #random: Random;
  readonly #alone: boolean;
  readonly #user: boolean;
  /** Of the clusters, as far as is known. */
  revision = 1;

  /** `alone`: whether each server is the only member of its cluster. `user`: whether rights are looked at. */
  constructor(random: Random, alone: boolean, user = false) {
    this.#random = random;
    this.#alone = alone;
    this.#user = user;
  }

  #interval(): { key: Buffer; rangeEnd: Buffer } {
    return this.#user ? forward(interval(this.#random)) : interval(this.#random);
  }

  /** Near the present, in the past, or to come. */
  #someRevision(): bigint {
    const random = this.#random;
    return BigInt(
      random.pick([0, 0, 0, -1, this.revision, this.revision + 1, 1 + random.below(this.revision + 3)]),
    );
  }

  range(): pb.RangeRequest {
    const random = this.#random;
    return message(pb.RangeRequest, {
      ...this.#interval(),
      revision: this.#someRevision(),
      limit: BigInt(random.pick([0, 0, 1, 2])),
      sortOrder: random.pick([0, 0, 1, 2]),
      sortTarget: random.pick([0, 0, 1, 2, 3, 4]),
      serializable: random.below(4) === 0 && this.#alone,
      keysOnly: random.below(6) === 0,
      countOnly: random.below(8) === 0,
      minModRevision: random.below(8) === 0 ? this.#someRevision() : 0n,
      maxModRevision: random.below(8) === 0 ? this.#someRevision() : 0n,
      minCreateRevision: random.below(8) === 0 ? this.#someRevision() : 0n,
      maxCreateRevision: random.below(8) === 0 ? this.#someRevision() : 0n,
    });
  }

  put(): pb.PutRequest {
    const random = this.#random;
    return message(pb.PutRequest, {
      key: bytes(random.pick(["", ...KEYS, ...KEYS, ...KEYS])),
      value: bytes(random.pick(VALUES)),
      lease: random.pick(LEASES),
      prevKv: random.below(3) === 0,
      ignoreValue: random.below(12) === 0,
      ignoreLease: random.below(12) === 0,
    });
  }

  deleteRange(): pb.DeleteRangeRequest {
    const random = this.#random;
    return message(pb.DeleteRangeRequest, { ...this.#interval(), prevKv: random.below(2) === 0 });
  }

  compare(): pb.Compare {
    const random = this.#random;
    const number = this.#someRevision();
    const where = { key: bytes(random.pick(KEYS)), rangeEnd: bytes(random.pick(["", "", "", "z", "\0"])) };
    return message(pb.Compare, {
      ...(this.#user ? forward(where) : where),
      result: random.below(4) as 0,
      target: random.below(5) as 0,
      targetUnion: random.pick([
        undefined,
        { $case: "version", version: BigInt(random.below(3)) },
        { $case: "createRevision", createRevision: number },
        { $case: "modRevision", modRevision: number },
        { $case: "value", value: bytes(random.pick(VALUES)) },
        { $case: "lease", lease: random.pick(LEASES) },
      ] as const),
    });
  }

  txn(depth = 0): pb.TxnRequest {
    const random = this.#random;
    const ops = (): pb.RequestOp[] =>
      Array.from({ length: random.below(4) }, () => ({ request: this.#op(depth) }));
    const txn = {
      compare: Array.from({ length: random.below(3) }, () => this.compare()),
      success: ops(),
      failure: ops(),
    };
    if (depth === 0 && !this.#alone && !touchesKeys(txn))
      txn.success.push({ request: { $case: "requestPut", requestPut: this.put() } });
    return message(pb.TxnRequest, txn);
  }

  #op(depth: number): pb.RequestOp["request"] {
    switch (this.#random.below(depth < 2 ? 7 : 5)) {
      case 0: {
        const range = this.range();
        const revision = range.revision < 0n || !this.#alone ? 0n : range.revision;
        return { $case: "requestRange", requestRange: { ...range, revision } };
      }
      case 1: {
        const range = this.deleteRange();
        const rangeEnd = range.rangeEnd.equals(bytes("\0")) ? bytes("z") : range.rangeEnd;
        return { $case: "requestDeleteRange", requestDeleteRange: { ...range, rangeEnd } };
      }
      case 5:
      case 6:
        return { $case: "requestTxn", requestTxn: this.txn(depth + 1) };
      default:
        return { $case: "requestPut", requestPut: this.put() };
    }
  }

  /** A request of the store, on behalf of a user. */
  step(user = ""): Step {
    const random = this.#random;
    const by = user === "" ? "" : `${user}: `;
    const step = <R>(what: string, request: R, ask: (clients: Clients) => Promise<unknown>): Step => ({
      what: `${by}${what} ${JSON.stringify(comparable(request))}`,
      ask,
    });
    switch (random.below(14)) {
      case 0:
      case 1:
      case 2: {
        const request = this.put();
        return step("put", request, (c) => call(c.kv, c.kv.put, request, c.as(user)));
      }
      case 3:
      case 4:
      case 5: {
        const request = this.range();
        return step("range", request, (c) => call(c.kv, c.kv.range, request, c.as(user)));
      }
      case 6: {
        const request = this.deleteRange();
        return step("delete", request, (c) => call(c.kv, c.kv.deleteRange, request, c.as(user)));
      }
      case 7: {
        const revision = BigInt(Math.max(1, this.revision - random.below(20)));
        const request = { revision, physical: random.below(2) === 0 };
        if (random.below(4) > 0) return this.step(user);
        return step("compact", request, (c) => call(c.kv, c.kv.compact, request, c.as(user)));
      }
      case 8: {
        const request = { ID: random.pick(LEASES), TTL: BigInt(random.pick([1000, 5000, 9_000_000_001])) };
        if (request.ID === 0n) return this.step(user);
        return step("grant", request, (c) => call(c.lease, c.lease.leaseGrant, request, c.as(user)));
      }
      case 9: {
        const request = { ID: random.pick(LEASES) };
        return step("revoke", request, (c) => call(c.lease, c.lease.leaseRevoke, request, c.as(user)));
      }
      default: {
        const request = this.txn();
        return step("txn", request, (c) => call(c.kv, c.kv.txn, request, c.as(user)));
      }
    }
  }
}

/** Whether any operation reads or writes. */
function touchesKeys({ success, failure }: Pick<pb.TxnRequest, "success" | "failure">): boolean {
  return [...success, ...failure].some(({ request }) =>
    request?.$case === "requestTxn" ? touchesKeys(request.requestTxn) : true,
  );
}
