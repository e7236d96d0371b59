/**
 * Whether a member may answer at all. A learner answers next to nothing. And clients that want no answer from a member
 * cut off from the others say so in their metadata: their requests are refused while the member knows no leader, and
 * their streams end when it has known none for a while.
 */
import { ErrNoLeader, ErrNotCapable, ErrNotSupportedForLearner } from "../kv/errors.ts";
import type { LocalMember } from "./member.ts";
import { type Bound, type Call, RpcError } from "./rpc.ts";

const METADATA = "hasleader";
/** How often to look, and how many times in a row a leader may be missing, before streams end. */
const INTERVAL_MS = 500;
const MAX_MISSING = 3;

/** What a learner answers, besides serializable reads. */
const FOR_LEARNERS: ReadonlySet<string> = new Set([
  "/etcdserverpb.Maintenance/Snapshot",
  "/etcdserverpb.Maintenance/Status",
]);
const RANGE = "/etcdserverpb.KV/Range";

export interface LeaderGuard {
  around(bound: Bound): Bound;
  close(): void;
}

export function requireLeader({ node }: LocalMember): LeaderGuard {
  const streams = new Set<{ end(error: RpcError): void }>();
  let missing = 0;
  const timer = setInterval(() => {
    missing = node.leader === 0 ? missing + 1 : 0;
    if (missing >= MAX_MISSING) for (const stream of streams) stream.end(RpcError.of(ErrNoLeader));
  }, INTERVAL_MS);
  timer.unref();
  const wants = (call: Call) => call.metadata(METADATA) === "true";
  const check = (path: string, call: Call, request?: unknown) => {
    const forLearners =
      FOR_LEARNERS.has(path) ||
      (path === RANGE && (request as { serializable?: boolean }).serializable === true);
    if (node.learner && !forLearners) throw RpcError.of(ErrNotSupportedForLearner);
    if (wants(call) && node.leader === 0) throw RpcError.of(ErrNoLeader);
  };
  return {
    around(bound) {
      if (bound.kind === "unary") {
        const { handle } = bound;
        return {
          ...bound,
          handle: (request, call) => {
            check(bound.method.path, call, request);
            return handle(request, call);
          },
        };
      }
      const { handle } = bound;
      return {
        ...bound,
        handle: (call: Parameters<typeof handle>[0]) => {
          // Requests are refused by the node itself.
          if (node.applied === 0) throw RpcError.of(ErrNotCapable);
          check(bound.method.path, call);
          if (wants(call)) {
            streams.add(call);
            call.onCancel(() => streams.delete(call));
          }
          handle(call);
        },
      };
    },
    close: () => clearInterval(timer),
  };
}
