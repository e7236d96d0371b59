/** etcd's Lease service. */
import { fromBytes, fromHeader } from "./convert.ts";
import type { LeaseService } from "./generated/rpc.ts";
import type { MemberClient } from "./member.ts";
import { type Handlers, RpcError } from "./rpc.ts";

export function leaseHandlers(member: MemberClient): Handlers<typeof LeaseService> {
  return {
    async leaseGrant({ TTL, ID }, call) {
      const answer = await member.request({ kind: "lease-grant", id: String(ID), ttl: Number(TTL) }, call);
      const { header, id, ttl } = answer;
      return { header: fromHeader(header), ID: BigInt(id), TTL: BigInt(ttl), error: "" };
    },
    async leaseRevoke({ ID }, call) {
      const { header } = await member.request({ kind: "lease-revoke", id: String(ID) }, call);
      return { header: fromHeader(header) };
    },
    leaseKeepAlive(call) {
      // One after the other, so that answers come in the order of the requests.
      let last: Promise<void> = Promise.resolve();
      const renew = async (ID: bigint) => {
        const request = { kind: "lease-keep-alive", id: String(ID) } as const;
        const answer = await member.leader(member.request(request, call));
        call.send({ header: fromHeader(answer.header), ID, TTL: BigInt(answer.ttl) });
      };
      call.onRequest = ({ ID }) => {
        last = last.then(() => renew(ID)).catch((thrown) => call.end(RpcError.from(thrown)));
      };
      call.onEnd = () => {
        last = last.then(() => call.end());
      };
    },
    async leaseTimeToLive({ ID, keys }, call) {
      const request = { kind: "lease-time-to-live", id: String(ID), keys } as const;
      const answer = await member.leader(member.request(request, call));
      return {
        header: fromHeader(answer.header),
        ID,
        TTL: BigInt(answer.ttl),
        grantedTTL: BigInt(answer.grantedTtl),
        keys: answer.keys.map(fromBytes),
      };
    },
    async leaseLeases(_, call) {
      const { header, leases } = await member.request({ kind: "lease-leases" }, call);
      return { header: fromHeader(header), leases: leases.map((id) => ({ ID: BigInt(id) })) };
    },
  };
}
