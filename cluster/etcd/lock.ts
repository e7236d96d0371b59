/** etcd's Lock service. As in etcd, whatever goes wrong has the code "unknown". */
import { fromBytes, fromHeader, toBytes } from "./convert.ts";
import type { LockService } from "./generated/lock.ts";
import type { MemberClient } from "./member.ts";
import { type Call, type Handlers, RpcError } from "./rpc.ts";

/** Seconds a lease lives that is granted to those who bring none. */
const OWN_TTL = 60;

export function lockHandlers(member: MemberClient): Handlers<typeof LockService> {
  return {
    lock: (request, call) =>
      withoutCode(async () => {
        const lease = await leaseFor(member, request.lease, call);
        const name = toBytes(request.name);
        const { header, key } = await member.request({ kind: "lock", name, lease: String(lease) }, call);
        return { header: fromHeader(header), key: fromBytes(key) };
      }),
    unlock: ({ key }, call) =>
      withoutCode(async () => {
        const { header } = await member.request({ kind: "delete-range", key: toBytes(key) }, call);
        return { header: fromHeader(header) };
      }),
  };
}

/** The lease itself, or for 0 a new one. */
export async function leaseFor(member: MemberClient, lease: bigint, call: Call): Promise<bigint> {
  if (lease !== 0n) return lease;
  const { id } = await member.request({ kind: "lease-grant", id: "0", ttl: OWN_TTL }, call);
  return BigInt(id);
}

/** etcd's locks and elections are clients of its own store, and pass on a refusal's words only. */
export async function withoutCode<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (thrown) {
    const { code, message } = RpcError.from(thrown);
    throw new RpcError(code === "CANCELLED" ? code : "UNKNOWN", message);
  }
}
