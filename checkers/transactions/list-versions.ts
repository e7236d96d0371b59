/**
 * The numbers that the store gives to versions of lists. They are claims: a longer list must have a greater number.
 * Those that hold tell the order of appends that nobody read.
 */
import type { Json } from "../../src/history/op.ts";
import { digraph } from "./digraph.ts";
import type { Discoveries } from "./discoveries.ts";
import type { Lists } from "./lists.ts";
import { NONE, OK } from "./table.ts";
import { capitalised, eventOf, show, theTransaction } from "./wording.ts";

/** That a list of some length has a number. */
interface Claim {
  readonly at: number;
  readonly t: number;
  readonly version: number;
  /** After the transaction, if that appended; UNSEEN if nobody read that. */
  readonly size: number;
}

const UNSEEN = Number.POSITIVE_INFINITY;

/** Finds versions that contradict the lists, and extends the lists by what nobody read where they do not. */
export function applyListVersions(lists: Lists, discoveries: Discoveries): void {
  if (lists.table.versions === undefined) return;
  const behind = new Map<number, readonly number[]>();
  for (const [k, claims] of claimsOf(lists)) {
    const conflict = firstConflict(claims);
    if (conflict === undefined) {
      const unseen = claims.filter(({ size }) => size === UNSEEN);
      if (unseen.length > 0 && lists.contradicted[k] === 0)
        behind.set(
          k,
          unseen.flatMap(({ t }) => appended(lists, t, k)),
        );
      continue;
    }
    const [a, b] = conflict;
    const { table } = lists;
    discoveries.add("version-conflict", () => ({
      witness: [eventOf(table, a.t), eventOf(table, b.t)],
      explanation: `${capitalised(theTransaction(table, a.t))} ${told(lists, a)}, and ${theTransaction(table, b.t)} ${told(lists, b)}. A list only grows, and with it the number of its version.`,
    }));
  }
  lists.extend(behind);
}

/** By key, by version; of equal ones, the longer lists last. */
function claimsOf(lists: Lists): Map<number, Claim[]> {
  const { table } = lists;
  const versions = table.versions as Float64Array;
  const accesses: number[] = [];
  const transactions: number[] = [];
  /** By key, the last transaction that appended, as seen from the end. */
  const appender = new Int32Array(table.keys.length).fill(NONE);
  for (let t = table.size - 1; t >= 0; t--) {
    if (table.outcome[t] !== OK) continue;
    for (let at = (table.first[t + 1] as number) - 1; at >= (table.first[t] as number); at--) {
      const k = table.key[at] as number;
      if (table.writes[at] === 1) {
        // What is between two appends of one transaction has no number.
        if (appender[k] === t) continue;
        appender[k] = t;
      } else if ((lists.length[at] as number) < 0 || lists.sizeBefore(t, at) < lists.size(at)) continue;
      if ((versions[at] as number) < 0 || table.ambiguous[k] === 1) continue;
      accesses.push(at);
      transactions.push(t);
    }
  }
  const keys = Int32Array.from(accesses, (at) => table.key[at] as number);
  const { offsets, targets } = digraph(
    table.keys.length,
    keys.length,
    keys,
    keys.map((_, i) => i),
  );
  const claims = new Map<number, Claim[]>();
  for (let k = 0; k < table.keys.length; k++) {
    const ofKey = Array.from(targets.subarray(offsets[k], offsets[k + 1]), (i): Claim => {
      const [at, t] = [accesses[i] as number, transactions[i] as number];
      const place = lists.position[table.value[at] as number] ?? NONE;
      const written = place === NONE ? UNSEEN : place + 1;
      const size = table.writes[at] === 1 ? written : lists.size(at);
      return { at, t, version: versions[at] as number, size };
    });
    if (ofKey.length > 0)
      claims.set(
        k,
        ofKey.sort((a, b) => a.version - b.version || (a.size < b.size ? -1 : a.size > b.size ? 1 : 0)),
      );
  }
  return claims;
}

/** Two neighbours that cannot both be right: versions and lengths must grow together. */
function firstConflict(claims: readonly Claim[]): readonly [Claim, Claim] | undefined {
  for (let i = 1; i < claims.length; i++) {
    const [a, b] = [claims[i - 1] as Claim, claims[i] as Claim];
    const unseen = a.size === UNSEEN && b.size === UNSEEN;
    const fits = unseen ? a.version < b.version : (a.version === b.version) === (a.size === b.size);
    if (!fits || a.size > b.size) return [a, b];
  }
  return undefined;
}

function appended({ table }: Lists, t: number, k: number): number[] {
  const values: number[] = [];
  for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++)
    if (table.key[at] === k && table.writes[at] === 1) values.push(table.value[at] as number);
  return values;
}

function told(lists: Lists, { at, version }: Claim): string {
  const { table } = lists;
  const key = show(table.keys[table.key[at] as number] as Json);
  if (table.writes[at] === 0) return `read ${key} as ${show(table.answer(at) ?? [])} at version ${version}`;
  const value = show(table.scalarOf(table.value[at] as number));
  const place = lists.position[table.value[at] as number] as number;
  const where = place === NONE ? "which nobody read" : `its element number ${place + 1}`;
  return `appended ${value} to ${key}, ${where}, at version ${version}`;
}
