/**
 * No long fork: two reads of the same keys may not see two writes in opposite orders, one with the first and without
 * the second, the other the reverse. Parallel snapshot isolation allows it (Sovran et al., "Transactional storage for
 * geo-replicated systems", SOSP 2011), snapshot isolation does not. After Jepsen's long-fork
 * (jepsen/src/jepsen/tests/long_fork.clj).
 *
 * Each key is written at most once, so the reads of one group of keys must form a chain: sorted by how many keys they
 * saw, each contains the one before. That makes it O(n log n).
 */
import type { Checker } from "../src/checker.ts";
import type { OperationOf } from "../src/history/history.ts";
import type { Json } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";

type Key = number | string;
/** `null` for a key that does not exist. */
type ReadKey = readonly ["r", Key, number | null];

/** Transactions as Jepsen writes them: lists of [function, key, value]. */
export type LongForkSignature = {
  /** One key, never written before. */
  write: { in: readonly (readonly ["w", Key, number])[]; out: Json };
  /** All keys of one group at once. */
  read: { in: readonly ReadKey[]; out: readonly ReadKey[] };
};

type Read = OperationOf<LongForkSignature, "read"> & { readonly type: "ok" };

export const longFork: Checker<LongForkSignature> = {
  name: "long-fork",
  check(history) {
    const findings = new Findings();
    const written = new Set<Key>();
    for (const write of history.byFunction("write"))
      for (const [, key] of write.input) {
        if (written.has(key))
          return findings.verdict("long-fork", 1, "reads", {
            doubt: `key ${key} was written more than once, so the order of reads cannot be told`,
          });
        written.add(key);
      }
    const groups = new Map<string, Read[]>();
    const counts = { reads: 0, sawNothing: 0, sawAll: 0 };
    for (const read of history.byFunction("read")) {
      if (read.type !== "ok") continue;
      const seen = keysSeen(read).length;
      counts.reads++;
      if (seen === 0) counts.sawNothing++;
      if (seen === read.output.length) counts.sawAll++;
      const name = JSON.stringify(read.output.map(([, key]) => key).sort());
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [read]);
      else group.push(read);
    }
    for (const group of groups.values()) judgeChain(group, findings);
    const partial = counts.reads - counts.sawNothing - counts.sawAll;
    return findings.verdict("long-fork", counts.reads, "reads", {
      doubt:
        partial === 0 ? "no read saw a part of the writes of its group, so no fork could show" : undefined,
      evidence: { ...counts, groups: groups.size },
    });
  },
};

function keysSeen({ output }: Read): Key[] {
  return output.filter(([, , value]) => value !== null).map(([, key]) => key);
}

function judgeChain(reads: readonly Read[], findings: Findings): void {
  const chain = reads.map((read) => ({ read, keys: keysSeen(read) }));
  chain.sort((a, b) => a.keys.length - b.keys.length);
  for (const [i, larger] of chain.entries()) {
    const smaller = chain[i - 1];
    if (smaller === undefined) continue;
    const keys = new Set(larger.keys);
    const only = smaller.keys.find((key) => !keys.has(key));
    if (only === undefined) continue;
    const other = larger.keys.find((key) => !smaller.keys.includes(key)) as Key;
    findings.add(
      "long fork",
      "snapshot isolation",
      [smaller.read.completeIndex, larger.read.completeIndex],
      () =>
        `${who(smaller.read)} saw the write of key ${only} but not that of key ${other}; ${who(larger.read)} saw key ${other} but not key ${only}. No single order of the two writes explains both.`,
    );
  }
}
