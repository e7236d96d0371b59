/**
 * The planted bugs: who tests the tester? Each is a one-line mutation of the built-in store, modelled on a real bug,
 * switched on by name for one run and free when off. The table says what must catch it.
 */
export interface PlantedBug {
  readonly name: string;
  readonly area:
    | "election"
    | "commit"
    | "persistence"
    | "reads"
    | "snapshot"
    | "txn"
    | "watch"
    | "lease"
    | "lock"
    | "client";
  /** The mutation, in one line. */
  readonly mutation: string;
  /** The real bug, or the textbook, it is modelled on. */
  readonly reference: string;
  /** The workload whose default configuration must find it. */
  readonly workload: string;
  /** What a plan has to say beyond the workload's name for the bug to be able to show. */
  readonly plan?: { readonly nodes?: number; readonly faults?: string[] };
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "vote-twice",
    area: "election",
    mutation: "a member grants its vote without looking at whom it has voted for in this term",
    reference: "akka-raft#47",
    workload: "register",
  },
  {
    name: "stale-log-vote",
    area: "election",
    mutation: "a vote is granted however far behind the candidate's log is",
    reference: "liferaft#8",
    workload: "register",
  },
  {
    name: "quorum-half",
    area: "election",
    mutation: "half of the members, rounded down, count as a majority: two leaders can accept writes",
    reference: "willemt/raft c4de21e, hashicorp/raft GH-398",
    workload: "register",
  },
  {
    name: "commit-old-term",
    area: "commit",
    mutation: "entries of older terms are committed by counting replicas (Figure 8 of the paper)",
    reference: "logcabin#44, canonical/raft#220",
    workload: "register",
  },
  {
    name: "optimistic-match",
    area: "commit",
    mutation: "the leader takes entries for replicated when it sends them",
    reference: "Students' Guide to Raft; Ra 3.1.8",
    workload: "register",
  },
  {
    name: "vote-not-persisted",
    area: "persistence",
    mutation: "the vote is not written to disk, so a quick restart can vote again in the same term",
    reference: "nebula#3415; Ongaro's dissertation, 3.8",
    workload: "register",
  },
  {
    name: "ack-before-fsync",
    area: "persistence",
    mutation: "an append is acknowledged once written, before the fsync",
    reference: "tikv#994, ZOOKEEPER-3911",
    workload: "register",
  },
  {
    name: "read-without-quorum",
    area: "reads",
    mutation: "the leader answers linearizable reads without asking whether it still leads",
    reference: "etcd 0.4.1 and Consul (Jepsen, 2014); d-engine#381",
    workload: "register",
  },
  {
    name: "snapshot-omits-leases",
    area: "snapshot",
    mutation: "a snapshot leaves out the leases",
    reference: "etcd PR#14648 (the same, with auth)",
    workload: "lease",
  },
  {
    name: "txn-sees-own-puts",
    area: "txn",
    mutation: "the compares of a transaction are evaluated after its own puts",
    reference: "textbook",
    workload: "bank",
  },
  {
    name: "watch-restore-synced",
    area: "watch",
    mutation: "watches are taken for caught up after a snapshot was restored: the events in the gap are lost",
    reference: "etcd PR#9775",
    workload: "watch",
  },
  {
    name: "progress-ahead",
    area: "watch",
    mutation: "a progress response names a revision whose events have not been sent yet",
    reference: "etcd#15220",
    workload: "watch",
  },
  {
    name: "deposed-leader-revokes",
    area: "lease",
    mutation: "a leader that was deposed goes on expiring leases by its own stale view",
    reference: "etcd#15247, etcd#12528",
    workload: "lease",
  },
  {
    name: "lock-skips-queue",
    area: "lock",
    mutation: "a waiter for a lock waits only for the one just before it, not for all before it",
    reference: "modelled on the waiting rule of etcd's concurrency package",
    workload: "lock",
  },
  {
    name: "range-sorts-by-change",
    area: "reads",
    mutation: "a range that is to be sorted by creation is sorted by the last change",
    reference: "textbook: who spoke last is taken for who came last",
    workload: "election",
  },
  {
    name: "client-retries-writes",
    area: "client",
    mutation: "a write that timed out or lost its connection is silently sent again",
    reference: "jetcd 0.8.2; SERVER-48307; redisraft#13",
    workload: "register",
  },
  {
    name: "timeout-is-fail",
    area: "client",
    mutation: "a timeout is reported as a definite failure",
    reference: "jetcd 0.8.2",
    workload: "register",
  },
  {
    name: "truncate-always",
    area: "commit",
    mutation: "a follower truncates its log at every append, also at one that it has already",
    reference: "Students' Guide to Raft",
    workload: "register",
  },
  {
    name: "no-previous-term-check",
    area: "commit",
    mutation: "an append is accepted if the previous index exists, whatever its term",
    reference: "willemt/raft 3fc7f32, openraft#1795",
    workload: "register",
  },
  {
    name: "heartbeat-commit-unchecked",
    area: "commit",
    mutation: "a follower commits what a heartbeat says up to its own last index, matching or not",
    reference: "scylla#10578",
    workload: "register",
  },
  {
    name: "transfer-flag-stuck",
    area: "election",
    mutation: "a leadership transfer that timed out is never forgotten, and writes are refused for ever",
    reference: "hashicorp/raft#696, GH-581",
    workload: "register",
    plan: { faults: ["transfer", "pause", "partition"] },
  },
  {
    name: "single-node-replies-early",
    area: "persistence",
    mutation: "a single member answers before its own log is durable",
    reference: "etcd#14370",
    workload: "register",
    plan: { nodes: 1, faults: ["power", "kill"] },
  },
  {
    name: "torn-tail-unchecked",
    area: "persistence",
    mutation: "the checksums of the log are not checked when it is replayed",
    reference: "etcd PR#11924",
    workload: "register",
    plan: { faults: ["power", "restart"] },
  },
  {
    name: "directory-not-synced",
    area: "persistence",
    mutation: "new segments and snapshots are used before their names are durable",
    reference: "cockroach#114411, ClickHouse#111339",
    workload: "register",
    plan: { faults: ["power", "restart", "snapshot"] },
  },
  {
    name: "wal-keeps-suffix",
    area: "persistence",
    mutation: "replaying the log keeps entries that a later truncation removed",
    reference: "canonical/raft#450, #483",
    workload: "register",
    plan: { faults: ["leader-hunt", "restart", "kill"] },
  },
  {
    name: "read-before-own-commit",
    area: "reads",
    mutation: "a new leader answers reads before it has committed an entry of its own term",
    reference: "etcd#7331, redisraft#18, tikv#9239",
    workload: "register",
  },
  {
    name: "follower-reads-locally",
    area: "reads",
    mutation: "a follower answers linearizable reads from its own store",
    reference: "Consul's stale mode, taken for the default",
    workload: "register",
  },
  {
    name: "limit-forgets-revision",
    area: "reads",
    mutation: "a range with a limit reads the newest state, whatever revision was asked for",
    reference: "textbook: the pages of a list that do not belong together",
    workload: "snapshot",
  },
  {
    name: "snapshot-omits-attachments",
    area: "snapshot",
    mutation: "a snapshot forgets which keys hang on which lease",
    reference: "modelled on etcd PR#14648",
    workload: "lease",
  },
  {
    name: "failed-txn-takes-revision",
    area: "txn",
    mutation: "a transaction that changes nothing still consumes a revision",
    reference: "etcd#18667 (revisions that differ)",
    workload: "kv",
  },
  {
    name: "txn-checked-by-one",
    area: "txn",
    mutation:
      "a transaction that reads at a compacted or future revision fails on the member asked, and there only",
    reference: "etcd#18667",
    workload: "replica",
  },
  {
    name: "compaction-drops-tombstone",
    area: "watch",
    mutation: "compacting at the revision of a delete loses its event",
    reference: "etcd#18089, #19179",
    workload: "watch",
  },
  {
    name: "watch-resume-replays",
    area: "watch",
    mutation: "a watch that catches up gets the events of the revision before once more",
    reference: "etcd#15271",
    workload: "watch",
  },
  {
    name: "watch-splits-txn",
    area: "watch",
    mutation: "events of one revision are split over two responses without saying so",
    reference: "etcd#17247",
    workload: "watch",
  },
  {
    name: "future-watch-gets-old",
    area: "watch",
    mutation: "a watch from a future revision also gets earlier events",
    reference: "etcd#20221",
    workload: "watch",
  },
  {
    name: "lease-wall-clock",
    area: "lease",
    mutation: "leases expire by the wall clock",
    reference: "textbook",
    workload: "lease",
  },
  {
    name: "keepalive-revoked-lease",
    area: "lease",
    mutation: "a keepalive succeeds for a lease that was revoked",
    reference: "etcd PR#20615",
    workload: "lease",
  },
  {
    name: "revoke-leaves-keys",
    area: "lease",
    mutation: "a lease that ends leaves its keys behind",
    reference: "the default behaviour of Consul's sessions, taken for etcd's",
    workload: "registry",
  },
  {
    name: "lease-promote-keeps-deadlines",
    area: "lease",
    mutation: "a new leader does not extend leases when it takes over",
    reference: "etcd lessor Promote (textbook)",
    workload: "lease",
  },
  {
    name: "lease-renew-after-due",
    area: "lease",
    mutation: "a lease is renewed although its expiry is already on its way",
    reference: "etcd PR#20615",
    workload: "lease",
  },
];

export function findBug(name: string): PlantedBug | undefined {
  return plantedBugs.find((bug) => bug.name === name);
}
