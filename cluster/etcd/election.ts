/**
 * etcd's Election service. A campaign is a lock whose key carries the candidate's value: who holds it leads. As in
 * etcd, whatever goes wrong has the code "unknown".
 */
import type { KeyValue, TxnRequest } from "../kv/request.ts";
import { fromBytes, fromHeader, fromKeyValue, toBytes } from "./convert.ts";
import type { ElectionService, LeaderKey, LeaderRequest, LeaderResponse } from "./generated/election.ts";
import { leaseFor, withoutCode } from "./lock.ts";
import type { MemberClient, MemberConnection } from "./member.ts";
import { type Handlers, RpcError, type StreamCall } from "./rpc.ts";

const MISSING_LEADER_KEY = '"leader" field must be provided';
const NOT_LEADER = "election: not leader";
const NO_LEADER = "election: no leader";

export function electionHandlers(member: MemberClient): Handlers<typeof ElectionService> {
  return {
    campaign: (request, call) =>
      withoutCode(async () => {
        const lease = await leaseFor(member, request.lease, call);
        const name = toBytes(request.name);
        const value = toBytes(request.value);
        const won = await member.request({ kind: "lock", name, lease: String(lease), value }, call);
        const { header, key, revision } = won;
        return {
          header: fromHeader(header),
          leader: { name: request.name, key: fromBytes(key), rev: BigInt(revision), lease },
        };
      }),
    proclaim: ({ leader, value }, call) =>
      withoutCode(async () => {
        const { key, lease } = present(leader);
        const put = { kind: "put", key: toBytes(key), value: toBytes(value), lease: String(lease) } as const;
        const { header, succeeded } = await member.request(asLeader(leader, [put]), call);
        if (!succeeded) throw new RpcError("UNKNOWN", NOT_LEADER);
        return { header: fromHeader(header) };
      }),
    leader: ({ name }, call) =>
      withoutCode(async () => {
        const { header, kvs } = await member.request(firstOf(`${toBytes(name)}/`), call);
        if (kvs[0] === undefined) throw new RpcError("UNKNOWN", NO_LEADER);
        return { header: fromHeader(header), kv: fromKeyValue(kvs[0]) };
      }),
    observe(call) {
      call.onRequest = ({ name }) => {
        new Observation(member, `${toBytes(name)}/`, call);
      };
    },
    resign: ({ leader }, call) =>
      withoutCode(async () => {
        const { key } = present(leader);
        const { header } = await member.request(
          asLeader(leader, [{ kind: "delete-range", key: toBytes(key) }]),
          call,
        );
        return { header: fromHeader(header) };
      }),
  };
}

function present(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw new RpcError("UNKNOWN", MISSING_LEADER_KEY);
  return leader;
}

/** Done only while the leader's key is the one it won with. */
function asLeader(leader: LeaderKey | undefined, success: TxnRequest["success"]): TxnRequest {
  const { key, rev } = present(leader);
  const compare = { key: toBytes(key), target: "create", result: "equal", operand: Number(rev) } as const;
  return { kind: "txn", compare: [compare], success, failure: [] };
}

/** The oldest candidate. */
function firstOf(prefix: string) {
  const rangeEnd = after(prefix);
  return {
    kind: "range",
    key: prefix,
    rangeEnd,
    sortTarget: "create",
    sortOrder: "ascend",
    limit: 1,
  } as const;
}

/** The smallest key after all keys with this prefix, which ends in "/". */
function after(prefix: string): string {
  return `${prefix.slice(0, -1)}0`;
}

/** Tells of every leader, and of every value a leader proclaims. */
class Observation {
  readonly #member: MemberClient;
  readonly #prefix: string;
  readonly #call: StreamCall<LeaderRequest, LeaderResponse>;
  #watch: MemberConnection | undefined;
  #ended = false;

  constructor(member: MemberClient, prefix: string, call: StreamCall<LeaderRequest, LeaderResponse>) {
    this.#member = member;
    this.#prefix = prefix;
    this.#call = call;
    call.onCancel(() => {
      this.#ended = true;
      this.#watch?.close();
    });
    this.#look();
  }

  #look(): void {
    this.#member.request(firstOf(this.#prefix), this.#call).then(
      ({ header, kvs }) => {
        if (this.#ended) return;
        const [leader] = kvs;
        if (leader === undefined) this.#follow(header.revision + 1, undefined);
        else {
          this.#call.send({ header: fromHeader(header), kv: fromKeyValue(leader) });
          this.#follow(header.revision + 1, leader);
        }
      },
      (thrown) => this.#call.end(RpcError.from(thrown)),
    );
  }

  /** Until the leader's key is deleted; without a leader, until there is one. */
  #follow(startRevision: number, leader: KeyValue | undefined): void {
    const session = this.#member.local.dial({
      message: (message) => {
        if (message.kind !== "watch-response" || this.#watch !== session) return;
        const { header, events, kind, cancelReason } = message.response;
        if (kind === "canceled") this.#call.end(new RpcError("UNKNOWN", cancelReason));
        for (const { type, kv } of events) {
          if (leader !== undefined && type === "put")
            this.#call.send({
              header: fromHeader({ ...header, revision: kv.modRevision }),
              kv: fromKeyValue(kv),
            });
          else if ((leader === undefined) === (type === "put")) {
            this.#watch = undefined;
            session.close();
            this.#look();
            return;
          }
        }
      },
      closed: () => this.#call.end(new RpcError("UNAVAILABLE", "etcdserver: server stopped")),
    });
    this.#watch = session;
    const interval =
      leader === undefined ? { key: this.#prefix, rangeEnd: after(this.#prefix) } : { key: leader.key };
    session.send({ kind: "watch", id: 1, request: { ...interval, startRevision } });
  }
}
