/**
 * What a member puts into a log entry: who proposed it, and a body. The proposer is a member in one of its
 * incarnations, so that nobody takes an entry that comes back after a restart for an answer to a newer request.
 */
import type { MemberId } from "../raft/message.ts";
import { getU32, getU48, putU32, putU48 } from "./bytes.ts";

/** member, incarnation, counter. */
export const PROPOSAL_HEADER_BYTES = 16;

export function encodeProposal(
  member: MemberId,
  incarnation: number,
  counter: number,
  body: Uint8Array,
): Uint8Array {
  const data = new Uint8Array(PROPOSAL_HEADER_BYTES + body.length);
  putU48(data, 0, member);
  putU32(data, 6, incarnation);
  putU48(data, 10, counter);
  data.set(body, PROPOSAL_HEADER_BYTES);
  return data;
}

/** The proposer's number for it; undefined if it is another member's, or another incarnation's. */
export function ownCounter(data: Uint8Array, member: MemberId, incarnation: number): number | undefined {
  return getU48(data, 0) === member && getU32(data, 6) === incarnation ? getU48(data, 10) : undefined;
}

/** Who proposed it, as a text that no other proposal has. */
export function proposalHeader(data: Uint8Array): string {
  return `${getU48(data, 0)}.${getU32(data, 6)}.${getU48(data, 10)}`;
}

export function proposalBody(data: Uint8Array): Uint8Array {
  return data.subarray(PROPOSAL_HEADER_BYTES);
}
