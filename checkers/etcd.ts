/**
 * A store with etcd's revisions, all its keys at once: transactions, ranges, deletes, leases, compaction.
 *
 * Every reply names the store's revision, so acknowledged changes name their places in the one order of all. They are
 * replayed in it, and every reply must be what the state at its revision gives, in real time. That is a
 * linearization where it succeeds. Near-linear; search is left for revisions that no acknowledged write owns.
 */
import type { Checker } from "../src/checker.ts";
import { judgeCompaction } from "./etcd/compaction.ts";
import { judgeOrder } from "./etcd/order.ts";
import { Replay } from "./etcd/replay.ts";
import { crossCheck } from "./etcd/sample.ts";
import type { EtcdSignature } from "./etcd/signature.ts";
import { Timeline } from "./etcd/timeline.ts";
import { Findings } from "./findings.ts";

/** `first` is the revision of the store before the history, when it was empty. */
export function etcdChecker(first = 1): Checker<EtcdSignature> {
  return {
    name: "etcd",
    check(history, budget) {
      const findings = new Findings();
      const timeline = new Timeline(history, first);
      const deadlines = judgeOrder(timeline, findings);
      judgeCompaction(timeline, findings);
      let doubt: string | undefined;
      let filled = 0;
      if (deadlines !== undefined) {
        const replay = new Replay(timeline, deadlines, findings, budget);
        doubt = replay.run();
        filled = replay.filled;
      }
      if (findings.none && doubt === undefined && first === 1) crossCheck(history);
      const evidence = { revisions: timeline.last - first, filled };
      return findings.verdict("etcd", timeline.replies.length, "replies with a revision", {
        doubt,
        evidence,
      });
    },
  };
}
