/**
 * The "sometimes" sites: states of the system that a good test meets now and then. A sweep that never met one has not
 * tested what it claims, however many seeds were valid. (FoundationDB's TEST macro, Antithesis's sometimes assertions.)
 */

export interface Site {
  readonly name: string;
  readonly where: "raft" | "kv" | "node" | "disk" | "network" | "client" | "nemesis";
  /** What it means to have been there. */
  readonly summary: string;
  /** The workloads that can come there; all if absent. */
  readonly workloads?: readonly string[];
}

const leasing = ["lock", "lease"];

/** What sweeps of the sound build must reach. */
export const sites = [
  { name: "two-leaders", where: "raft", summary: "two live members believed to lead, in different terms" },
  {
    name: "quorum-lost",
    where: "raft",
    summary: "a leader stepped down because it had not heard from a quorum",
  },
  {
    name: "pre-vote-lost",
    where: "raft",
    summary: "a member learned that it could not win, before it disturbed anybody",
  },
  { name: "vote-lost", where: "raft", summary: "a candidate was refused by a quorum" },
  { name: "vote-refused-log", where: "raft", summary: "a vote was refused to a member whose log is behind" },
  {
    name: "vote-refused-taken",
    where: "raft",
    summary: "a vote was refused because it was given to another",
  },
  {
    name: "vote-refused-lease",
    where: "raft",
    summary: "a request for a vote was ignored because a leader was heard of lately",
  },
  {
    name: "election-under-one-way-cut",
    where: "raft",
    summary: "a member stood for election while a link was cut in one direction only",
  },
  {
    name: "commit-without-everybody",
    where: "raft",
    summary: "a new leader committed its first entry while other members were down",
  },
  {
    name: "log-truncated",
    where: "raft",
    summary: "entries that no quorum held gave way to another leader's",
  },
  {
    name: "several-terms-truncated",
    where: "raft",
    summary: "entries of two terms or more gave way to another leader's at once",
  },
  {
    name: "own-entries-truncated",
    where: "raft",
    summary: "a deposed leader lost the entries it had appended itself",
  },
  {
    name: "append-rejected",
    where: "raft",
    summary: "a follower refused an append that its log does not lead to",
  },
  {
    name: "append-hint-skips",
    where: "raft",
    summary: "a refusal told the leader to go back by more than one entry",
  },
  {
    name: "replication-probed",
    where: "raft",
    summary: "a leader fell back to one append at a time after one was lost or refused",
  },
  {
    name: "window-full",
    where: "raft",
    summary: "a leader had as many appends under way to a follower as it may",
  },
  {
    name: "proposal-dropped",
    where: "raft",
    summary: "a leader took a proposal for impossible now, as in a transfer",
  },
  {
    name: "proposal-astray",
    where: "raft",
    summary: "a forwarded proposal came to a member that does not lead",
  },
  {
    name: "read-waits-for-commit",
    where: "raft",
    summary: "a new leader held a read back until it had committed an entry of its own term",
  },
  { name: "read-forwarded", where: "raft", summary: "a follower asked the leader for a linearizable read" },
  { name: "read-asked-again", where: "node", summary: "a question for a linearizable read was put again" },
  {
    name: "snapshot-sent",
    where: "raft",
    summary: "a leader sent a snapshot to a member too far behind for its log",
  },
  { name: "snapshot-restored", where: "raft", summary: "a follower took over the snapshot of its leader" },
  { name: "snapshot-to-learner", where: "raft", summary: "a snapshot was sent to a learner" },
  { name: "learner-promoted", where: "raft", summary: "a learner became a voter" },
  {
    name: "learner-promoted-under-cut",
    where: "raft",
    summary: "a learner became a voter while some link was cut",
  },
  { name: "leader-removed", where: "raft", summary: "a leader applied its own removal" },
  {
    name: "member-said-farewell",
    where: "node",
    summary: "a member learned of its removal, and ended itself",
  },
  { name: "transfer-started", where: "raft", summary: "a leader began to hand its leadership over" },
  { name: "transfer-completed", where: "raft", summary: "leadership went where it was handed" },
  { name: "transfer-aborted", where: "raft", summary: "a leader gave a transfer of its leadership up" },

  { name: "restored", where: "node", summary: "a state machine was replaced by that of a snapshot" },
  {
    name: "watch-restored",
    where: "node",
    summary: "the state machine was replaced under a client's watch",
    workloads: ["watch"],
  },
  {
    name: "restarted-from-snapshot",
    where: "node",
    summary: "a member recovered from a snapshot of its own and its log",
  },
  { name: "restarted-quickly", where: "node", summary: "a process was back within 50 ms of its end" },
  { name: "answer-unheard", where: "node", summary: "a member carried out a request whose client was gone" },
  { name: "all-down", where: "nemesis", summary: "no member was running" },
  { name: "majority-down", where: "nemesis", summary: "less than a majority was running" },
  { name: "leader-ended", where: "nemesis", summary: "a member died while it led" },
  { name: "leader-paused", where: "nemesis", summary: "a member stood still while it led" },
  { name: "clock-jumped", where: "nemesis", summary: "a wall clock jumped" },
  { name: "clock-drifts", where: "nemesis", summary: "a clock began to run too fast or too slow" },

  {
    name: "killed-before-sync",
    where: "disk",
    summary: "a member died between writing an append and its fsync",
  },
  { name: "pages-lost", where: "disk", summary: "a loss of power took pages that were not synced" },
  { name: "pages-torn", where: "disk", summary: "a loss of power left a page written in part" },
  {
    name: "names-lost",
    where: "disk",
    summary: "a loss of power undid the making, renaming or removal of a file",
  },
  { name: "wal-repaired", where: "disk", summary: "a restart cut the torn tail of a log off" },
  {
    name: "wal-overwritten",
    where: "disk",
    summary: "a restart read entries that were later replaced by another leader's",
  },
  { name: "segment-cut", where: "disk", summary: "a log went on in a new segment" },
  { name: "snapshot-begun", where: "disk", summary: "a member began to save a snapshot of its own" },
  {
    name: "snapshot-interrupted",
    where: "node",
    summary: "a snapshot on its way to a member did not arrive",
  },
  { name: "snapshot-saved", where: "disk", summary: "a member's own snapshot became durable" },
  { name: "compacted", where: "disk", summary: "a log was cut off before a snapshot" },

  { name: "segment-sent-again", where: "network", summary: "a segment of a stream was lost and sent again" },
  { name: "datagram-lost", where: "network", summary: "a datagram was lost" },
  { name: "datagram-duplicated", where: "network", summary: "a datagram arrived twice" },
  { name: "held-released", where: "network", summary: "messages that were held back arrived after all" },
  { name: "connection-reset", where: "network", summary: "a connection between two hosts was reset" },
  {
    name: "connection-gave-up",
    where: "network",
    summary: "an end of a connection broke because its peer could not be reached",
  },

  { name: "request-cut-off", where: "client", summary: "a connection broke with a request under way" },
  { name: "request-timed-out", where: "client", summary: "a client gave a request up" },
  {
    name: "timed-out-yet-applied",
    where: "client",
    summary: "a write took effect though its client does not know",
  },

  {
    name: "txn-failed-branch",
    where: "kv",
    summary: "the comparison of a transaction did not hold",
    workloads: ["register", "kv", "bank"],
  },
  { name: "history-compacted", where: "kv", summary: "old revisions were thrown away" },
  {
    name: "watch-from-past",
    where: "kv",
    summary: "a watch began with changes made before it",
    workloads: ["watch"],
  },
  {
    name: "watch-from-future",
    where: "kv",
    summary: "a watch waited for a revision to come",
    workloads: ["watch"],
  },
  {
    name: "watch-compacted",
    where: "kv",
    summary: "a watch ended because what it was owed had been thrown away",
    workloads: ["watch"],
  },
  {
    name: "watch-fragmented",
    where: "kv",
    summary: "the changes of one revision came in pieces",
    workloads: ["watch"],
  },
  {
    name: "watch-progress",
    where: "kv",
    summary: "a watch was told how far it has come",
    workloads: ["watch"],
  },
  {
    name: "watch-paused",
    where: "node",
    summary: "a member stopped telling a slow client of changes",
    workloads: ["watch"],
  },
  { name: "lease-expired", where: "kv", summary: "a leader found a lease due", workloads: leasing },
  {
    name: "lease-revoked",
    where: "kv",
    summary: "a lease was revoked, and its keys with it",
    workloads: leasing,
  },
  {
    name: "leases-inherited",
    where: "kv",
    summary: "a new leader took over leases granted under another",
    workloads: leasing,
  },
  {
    name: "keepalive-undecided",
    where: "kv",
    summary: "a keepalive had to wait until it was certain whether its lease was gone",
    workloads: leasing,
  },
  {
    name: "keepalive-refused",
    where: "kv",
    summary: "a client was told that the lease it renewed was gone",
    workloads: leasing,
  },
  { name: "lock-granted", where: "kv", summary: "a client got a lock", workloads: ["lock"] },
  { name: "lock-waits", where: "kv", summary: "a client waited in the queue of a lock", workloads: ["lock"] },
  {
    name: "lock-freed-by-lease",
    where: "kv",
    summary: "a lock went on to the next because its holder's lease was gone",
    workloads: ["lock"],
  },
] as const satisfies readonly Site[];

export type SiteName = (typeof sites)[number]["name"];

/** Other events that are traced: those that every run has, and those that a sweep cannot demand. */
export const events = [
  { name: "become-follower", where: "raft", summary: "a member follows" },
  { name: "become-pre-candidate", where: "raft", summary: "a member asks whether it could win an election" },
  { name: "become-candidate", where: "raft", summary: "a member stands for election" },
  { name: "become-leader", where: "raft", summary: "a member won an election" },
  { name: "vote-granted", where: "raft", summary: "a member gave its vote" },
  { name: "first-commit-of-term", where: "raft", summary: "a leader committed the first entry of its term" },
  { name: "config-applied", where: "raft", summary: "a configuration came into force" },
  { name: "commit-advanced", where: "raft", summary: "a member learned that more is committed" },
  { name: "read-confirmed", where: "raft", summary: "a quorum confirmed that a read may be served" },
  { name: "lease-promoted", where: "kv", summary: "a leader began to keep the time of leases" },
  { name: "process-started", where: "nemesis", summary: "a process was started" },
  { name: "process-ended", where: "nemesis", summary: "a process ended" },
  { name: "process-paused", where: "nemesis", summary: "a process was made to stand still" },
  { name: "process-resumed", where: "nemesis", summary: "a process went on" },
  { name: "power-lost", where: "nemesis", summary: "a machine lost its power" },
  { name: "peer-refused", where: "node", summary: "a member turned away who spoke to it as a peer" },
  { name: "exit", where: "node", summary: "a member ended itself" },
  { name: "crash", where: "node", summary: "a member's code threw" },
  { name: "fault-start", where: "nemesis", summary: "a fault began" },
  { name: "fault-heal", where: "nemesis", summary: "a fault was healed" },
  { name: "phase-load", where: "nemesis", summary: "load and faults began" },
  { name: "phase-recovery", where: "nemesis", summary: "faults ended, recovery began" },
  { name: "phase-final", where: "nemesis", summary: "the last reads began" },
  { name: "phase-end", where: "nemesis", summary: "the run came to its end" },
] as const satisfies readonly Site[];

/** The sites that sweeps of a workload must reach. */
export function sitesOf(workload: string): readonly Site[] {
  const all: readonly Site[] = sites;
  return all.filter((site) => site.workloads === undefined || site.workloads.includes(workload));
}
