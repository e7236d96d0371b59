/** etcd's Cluster service. */
import { createHash, randomBytes } from "node:crypto";
import type { ResponseHeader } from "../kv/request.ts";
import type { Member } from "../node/membership.ts";
import { fromHeader } from "./convert.ts";
import type * as pb from "./generated/rpc.ts";
import type { MemberAnswer, MemberClient } from "./member.ts";
import { type Handlers, RpcError } from "./rpc.ts";

/** Ids have to fit into the log's records. */
const ID_BYTES = 6;

export function clusterHandlers(member: MemberClient): Handlers<typeof pb.ClusterService> {
  return {
    async memberAdd({ peerURLs, isLearner }, call) {
      const node = nodeOf(peerURLs);
      const id = newId(peerURLs);
      const answer = await member.member({ kind: "member-add", id, node, learner: isLearner }, call);
      const members = membersOf(answer);
      return {
        header: headerOf(answer.header),
        member: members.find(({ ID }) => ID === BigInt(id)),
        members,
      };
    },
    async memberRemove({ ID }, call) {
      const answer = await member.member({ kind: "member-remove", id: memberIdOf(ID) }, call);
      return { header: headerOf(answer.header), members: membersOf(answer) };
    },
    async memberUpdate({ ID, peerURLs }, call) {
      const node = nodeOf(peerURLs);
      const answer = await member.member({ kind: "member-update", id: memberIdOf(ID), node }, call);
      return { header: headerOf(answer.header), members: membersOf(answer) };
    },
    async memberList({ linearizable }, call) {
      if (linearizable) {
        const answer = await member.member({ kind: "member-list" }, call);
        return { header: headerOf(answer.header), members: membersOf(answer) };
      }
      const { node } = member.local;
      return { header: headerOf(node.header()), members: node.members().map(fromMember) };
    },
    async memberPromote({ ID }, call) {
      const request = { kind: "member-promote", id: memberIdOf(ID) } as const;
      const answer = await member.leader(member.member(request, call));
      return { header: headerOf(answer.header), members: membersOf(answer) };
    },
  };
}

/** Of the members, not of the store: as in etcd, no revision is told. */
function headerOf(header: ResponseHeader): pb.ResponseHeader {
  return fromHeader({ ...header, revision: 0 });
}

function membersOf(answer: MemberAnswer): pb.Member[] {
  return answer.kind === "members" ? answer.members.map(fromMember) : [];
}

function fromMember({ id, node, learner, name = "", clientUrls = [] }: Member): pb.Member {
  return {
    ID: BigInt(id),
    name,
    peerURLs: node.split(","),
    clientURLs: [...clientUrls],
    isLearner: learner,
  };
}

/** Nobody, if no id of ours is so large: peers would take a message that names it for no message. */
export function memberIdOf(id: bigint): Member["id"] {
  return id < 1n << BigInt(8 * ID_BYTES) ? Number(id) : 0;
}

/** The name by which members know each other: where it is reached. */
function nodeOf(peerUrls: readonly string[]): string {
  // The port has to be said, and nothing may follow it.
  const sound = peerUrls.every((url) => /^https?:\/\/[^/]+:\d+\/?$/.test(url) && URL.canParse(url));
  if (peerUrls.length === 0 || !sound)
    throw new RpcError("INVALID_ARGUMENT", "etcdserver: given member URLs are invalid");
  return [...peerUrls].sort().join(",");
}

/** As in etcd, a member that comes back under the URLs of an old one is another. */
function newId(peerUrls: readonly string[]): number {
  const digest = createHash("sha256").update(JSON.stringify(peerUrls)).update(randomBytes(16)).digest();
  return digest.readUIntBE(0, ID_BYTES) || 1;
}
