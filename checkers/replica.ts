/**
 * Replicas are equal: the hashes that members give of their stores, at one revision and with one compaction behind
 * them, are the same. A hash covers all versions up to the revision that are not compacted (etcd's HashKV), so it
 * tells forked replicas apart even where their newest values agree. A member answers for itself alone, so no order
 * of the answers is assumed. Linear in the answers.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";

export type ReplicaSignature = {
  put: { in: { readonly key: string; readonly value: string }; out: { readonly revision: number } };
  delete: { in: { readonly key: string }; out: { readonly revision: number } };
  /** Puts, and reads the key as it was at revision `at`; all of it fails if that revision cannot be read. */
  txn: {
    in: { readonly key: string; readonly value: string; readonly at: number };
    out: { readonly revision: number };
  };
  compact: { in: { readonly revision: number }; out: null };
  /** The newest revision, read linearizably. */
  head: { in: null; out: { readonly revision: number } };
  /** Of the member asked. `compactRevision` is where its store was compacted last. */
  hash: {
    in: { readonly revision: number };
    out: { readonly hash: number; readonly compactRevision: number };
  };
};

type Hash = OperationOf<ReplicaSignature, "hash"> & { readonly type: "ok" };

export const replicaChecker: Checker<ReplicaSignature> = {
  name: "replica",
  check(history: History<ReplicaSignature>) {
    const findings = new Findings();
    const first = new Map<string, Hash>();
    const compared = new Set<string>();
    let hashes = 0;
    for (const hash of history.byFunction("hash")) {
      if (hash.type !== "ok") continue;
      hashes++;
      const state = `${hash.input.revision} ${hash.output.compactRevision}`;
      const other = first.get(state);
      if (other === undefined) {
        first.set(state, hash);
        continue;
      }
      if (other.node !== hash.node) compared.add(state);
      if (other.output.hash !== hash.output.hash) condemn(other, hash, findings);
    }
    const alone = compared.size === 0 ? "no two members told the hash of the same state" : undefined;
    return findings.verdict("replica", hashes, "hashes", {
      doubt: alone,
      evidence: { hashes, comparedStates: compared.size },
    });
  },
};

function condemn(one: Hash, other: Hash, findings: Findings): void {
  const same = one.node === other.node;
  findings.add(
    same ? "hash changed" : "replicas differ",
    "replicas are equal at equal revision",
    [one.completeIndex, other.completeIndex],
    () =>
      `At revision ${one.input.revision}, compacted at ${one.output.compactRevision}, the store ${
        same
          ? `of ${one.node} had hash ${one.output.hash} for ${who(one)} and later ${other.output.hash} for ${who(other)}: its past changed`
          : `has hash ${one.output.hash} on ${one.node} and ${other.output.hash} on ${other.node}: they no longer hold the same data`
      }.`,
  );
}
