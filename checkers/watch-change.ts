/** One change of the store, and what the watches told of it. */
import type { OperationOf } from "../src/history/history.ts";
import { who } from "./findings.ts";
import type { ObservedEvent, ObservedVersion, WatchOperation, WatchSignature } from "./watch-signature.ts";

export type Write = OperationOf<WatchSignature, "put" | "delete" | "txn">;
export type AcknowledgedWrite = Write & { readonly type: "ok" };

/** Something said about a change, by one or more watches. */
export interface Claim {
  readonly event: ObservedEvent;
  readonly by: WatchOperation;
  /** They differ in what they say of the value before. */
  readonly accounts: Account[];
}

/** An event, down to its last detail, and how many watches told it. */
export interface Account {
  /** Counts up from 1. */
  readonly number: number;
  readonly event: ObservedEvent;
  readonly by: WatchOperation;
  readonly entry: Entry;
  /** As the last watch told it: those that follow one member may share what it sent, and need not compare it. */
  latest: ObservedEvent;
  count: number;
  /** What the first watch that told it told next: most others do the same, and nobody needs to look it up. */
  next: Account | undefined;
}

/** One change of one key. */
export interface Entry {
  readonly key: string;
  /** Position of the key in the sorted list of all keys. */
  rank: number;
  readonly revision: number;
  type: "put" | "delete";
  value: string;
  /** 0 while no watch has told, and in a delete. */
  created: number;
  version: number;
  /** Position among the changes of its revision, if the write that made them is known. */
  readonly order: number | undefined;
  readonly write: AcknowledgedWrite | undefined;
  /** Different accounts of it by watches. */
  readonly claims: Claim[];
  /** The change of the same key before it. */
  before: Entry | undefined;
  /** Writes of unknown outcome that nobody saw must lie between `before` and this. */
  hidden: boolean;
  /** All watches that tell of it say the same, and nothing else than what is so. */
  agreed: boolean;
  /** If so: whether the key existed before. */
  replaces: boolean;
}

/** The completion that proves a change. */
export function proof(entry: Entry): number {
  return entry.write?.completeIndex ?? entry.claims[0]?.by.completeIndex ?? Number.POSITIVE_INFINITY;
}

/** Who knows of a change, in words. */
export function witnessOf(entry: Entry): string {
  if (entry.write !== undefined) return `acknowledged to ${who(entry.write)}`;
  const claim = entry.claims[0];
  return claim === undefined ? "seen by nobody" : `seen by ${who(claim.by)}`;
}

export function entryOf(
  change: Pick<ObservedEvent, "key" | "revision" | "type" | "value">,
  write: AcknowledgedWrite | undefined,
  order: number | undefined,
): Entry {
  const { key, revision, type, value } = change;
  return {
    key,
    rank: 0,
    revision,
    type,
    value,
    created: 0,
    version: 0,
    order,
    write,
    claims: [],
    before: undefined,
    hidden: false,
    agreed: false,
    replaces: false,
  };
}

/**
 * What an event replaced, if it tells of this entry: null if the key did not exist, undefined if that is not known.
 */
export function replaced({ before, hidden }: Entry, event: ObservedEvent): Entry | null | undefined {
  if (hidden) return undefined;
  if (before === undefined) return event.created === event.revision ? null : undefined;
  return before.type === "delete" ? null : before;
}

/** Notes whether all that was told of an entry is so; then only the watches that told it are left to be judged. */
export function settle(entry: Entry): void {
  const [claim, other] = entry.claims;
  if (claim === undefined || other !== undefined || contradiction(claim.event, entry) !== undefined) return;
  const before = replaced(entry, claim.event);
  if (before === undefined) return;
  entry.replaces = before !== null;
  entry.agreed = claim.accounts.every(
    ({ event: { previous } }) => previous === undefined || (before !== null && sameVersion(previous, before)),
  );
}

export function sameValue(event: ObservedEvent, entry: Entry): boolean {
  return event.type === "delete" || event.value === entry.value;
}

export function sameChange(a: ObservedEvent, b: ObservedEvent): boolean {
  if (a.type !== b.type) return false;
  return a.type === "delete" || (a.value === b.value && a.created === b.created && a.version === b.version);
}

/** All that can be said of it, too. */
export function sameEvent(a: ObservedEvent, b: ObservedEvent): boolean {
  if (a.revision !== b.revision || a.key !== b.key || a.type !== b.type || a.value !== b.value) return false;
  if (a.created !== b.created || a.version !== b.version) return false;
  const before = a.previous;
  const other = b.previous;
  if (before === undefined || other === undefined) return before === other;
  return (
    before.revision === other.revision &&
    before.value === other.value &&
    before.created === other.created &&
    before.version === other.version
  );
}

export function toldBy({ accounts }: Claim): number {
  let count = 0;
  for (const account of accounts) count += account.count;
  return count;
}

export function contradiction(event: ObservedEvent, entry: Entry): "content" | "creation" | undefined {
  if (event.type !== entry.type || !sameValue(event, entry)) return "content";
  if (event.type === "delete" || entry.version === 0) return undefined;
  return event.created === entry.created && event.version === entry.version ? undefined : "creation";
}

export function sameVersion(previous: ObservedVersion, expected: Entry): boolean {
  if (previous.revision !== expected.revision || previous.value !== expected.value) return false;
  if (expected.version === 0) return true;
  return previous.version === expected.version && previous.created === expected.created;
}
