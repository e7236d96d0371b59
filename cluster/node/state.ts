/** What a snapshot of a member holds: who belongs to the cluster, and the store. */
import { getU32, putU32 } from "./bytes.ts";
import type { Member } from "./membership.ts";

export interface State {
  readonly members: readonly Member[];
  readonly store: Uint8Array;
}

export function encodeState(state: State): Uint8Array {
  const members = new TextEncoder().encode(JSON.stringify(state.members));
  const bytes = new Uint8Array(4 + members.length + state.store.length);
  putU32(bytes, 0, members.length);
  bytes.set(members, 4);
  bytes.set(state.store, 4 + members.length);
  return bytes;
}

export function decodeState(bytes: Uint8Array): State {
  const end = 4 + getU32(bytes, 0);
  const members = JSON.parse(new TextDecoder().decode(bytes.subarray(4, end))) as readonly Member[];
  return { members, store: bytes.subarray(end) };
}
