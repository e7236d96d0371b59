/** etcd's KV service. */
import { compactGradually } from "../live/compaction.ts";
import {
  fromDeleteRange,
  fromHeader,
  fromPut,
  fromRange,
  fromTxn,
  toDeleteRange,
  toPut,
  toRange,
  toTxn,
} from "./convert.ts";
import type { KVService } from "./generated/rpc.ts";
import type { MemberClient } from "./member.ts";
import type { Handlers } from "./rpc.ts";

export function kvHandlers(member: MemberClient): Handlers<typeof KVService> {
  return {
    async range(request, call) {
      const answer = await member.request(toRange(request), call);
      return fromRange(answer, answer.header);
    },
    async put(request, call) {
      const answer = await member.request(toPut(request), call);
      return fromPut(answer, answer.header);
    },
    async deleteRange(request, call) {
      const answer = await member.request(toDeleteRange(request), call);
      return fromDeleteRange(answer, answer.header);
    },
    async txn(request, call) {
      const answer = await member.request(toTxn(request), call);
      return fromTxn(answer, answer.header);
    },
    async compact({ revision, physical }, call) {
      const { header } = await compactGradually(member.local.node.store, Number(revision), (step) =>
        member.request({ kind: "compact", revision: step, physical }, call),
      );
      return { header: fromHeader(header) };
    },
  };
}
