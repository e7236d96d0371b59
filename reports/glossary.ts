/** What the names of anomalies and guarantees mean, for readers who meet them for the first time. */
import type { Anomaly } from "../src/checker.ts";

export interface Entry {
  /** What went wrong, as a clause: "a client read …". */
  readonly what: string;
  /** The literature's name, if it differs from the checker's. */
  readonly known?: string;
}

/** From grave to mild: what contradicts the most comes first. Names as the checkers give them. */
const anomalies: readonly (readonly [name: string, entry: Entry])[] = [
  [
    "two holders at once",
    { what: "two clients held the same lock at the same time", known: "mutual exclusion violated" },
  ],
  [
    "two writes share a revision",
    {
      what: "two different writes were both confirmed as the same step of the store's single history",
      known: "split brain",
    },
  ],
  [
    "shared revision",
    {
      what: "two different writes were both confirmed as the same step of the store's single history",
      known: "split brain",
    },
  ],
  [
    "one revision, two values",
    {
      what: "two clients were shown different contents of the store for the same moment of its history",
      known: "split brain",
    },
  ],
  [
    "divergent state",
    {
      what: "two clients were shown different contents of the store for the same moment of its history",
      known: "split brain",
    },
  ],
  [
    "divergent event",
    { what: "two watchers were told different things about the same change", known: "split brain" },
  ],
  ["lost update", { what: "an update was overwritten by another that had not seen it" }],
  ["lost update under lock", { what: "an update made under the lock was overwritten", known: "lost update" }],
  ["lost write", { what: "a write was confirmed, and then it was gone" }],
  ["lost element", { what: "an element was confirmed as added, and then it was gone", known: "lost write" }],
  [
    "missed event",
    { what: "a watcher was never told of a change that it had asked for", known: "lost watch event" },
  ],
  ["wrong total", { what: "money appeared or vanished", known: "non-atomic transaction or read skew" }],
  [
    "missing account",
    { what: "an account that must always exist was missing", known: "non-atomic transaction" },
  ],
  [
    "negative balance",
    {
      what: "an account was overdrawn although every transfer checks for that",
      known: "write skew or lost update",
    },
  ],
  [
    "cas that should have failed",
    { what: "a compare-and-set succeeded although the value compared with was gone", known: "lost update" },
  ],
  ["cas that should have succeeded", { what: "a compare-and-set failed although the value was there" }],
  ["aborted read", { what: "a client saw a write that had definitely failed", known: "dirty read (G1a)" }],
  ["dirty read", { what: "a client saw a write that had definitely failed", known: "dirty read (G1a)" }],
  ["write applied twice", { what: "one write took effect twice" }],
  ["counted twice", { what: "one write took effect twice" }],
  ["duplicated element", { what: "one element was added twice", known: "duplicate write" }],
  ["value never written", { what: "a client read a value that nobody had written", known: "garbage read" }],
  ["unexpected element", { what: "a client read an element that nobody had added", known: "garbage read" }],
  ["phantom event", { what: "a watcher was told of a change that nobody made" }],
  ["expired early", { what: "a lease was dead while its owner had been promised that it lives" }],
  ["lease came back", { what: "a lease that was dead was alive again" }],
  ["keepalive of a revoked lease", { what: "a lease that was revoked was renewed all the same" }],
  ["put under a revoked lease", { what: "a key was attached to a lease that had been revoked" }],
  ["key outlived its lease", { what: "a key was still there after its lease had died" }],
  ["keys parted from their lease", { what: "some keys of a lease were gone while others were still there" }],
  ["fencing token went back", { what: "a later holder of the lock got a smaller fencing token" }],
  ["read from the future", { what: "an answer showed something that had not happened yet" }],
  ["revision from the future", { what: "an answer named a revision that did not exist yet" }],
  ["stale read", { what: "a client read an old value although a newer one had already been confirmed" }],
  ["stale value", { what: "a client was shown an old value as if it were the newest" }],
  ["revision went back", { what: "the store's history went backwards", known: "non-monotonic writes" }],
  ["version went back", { what: "the store's history went backwards", known: "non-monotonic reads" }],
  ["event out of order", { what: "a watcher was told of changes in the wrong order" }],
  ["duplicate event", { what: "a watcher was told of one change twice" }],
  [
    "revision split over responses",
    { what: "a watcher was shown half of a transaction", known: "non-atomic watch" },
  ],
  [
    "event behind a bookmark",
    { what: "a watcher was promised to be up to date, and then told of an older change" },
  ],
  ["bookmark went back", { what: "a watcher's place in the history went backwards" }],
  ["bookmark before the start", { what: "a watcher was told that it stood before the place where it began" }],
  ["event before the start", { what: "a watcher was told of changes from before the place where it began" }],
  ["event outside the filter", { what: "a watcher was told of changes that it had not asked for" }],
  ["wrong previous value", { what: "a watcher was told a wrong earlier value" }],
  ["missing previous value", { what: "a watcher was not told the earlier value" }],
  [
    "nonlinearizable history",
    { what: "the answers that clients got contradict each other: no order of the operations explains them" },
  ],
  ["expired late", { what: "a lease lived on although nobody renewed it" }],
  [
    "no recovery",
    { what: "the cluster did not serve again after it had been healed", known: "loss of liveness" },
  ],
  [
    "no progress",
    { what: "an operation did not finish although nothing was broken any more", known: "loss of liveness" },
  ],
];

const byName: ReadonlyMap<string, Entry> = new Map(anomalies);
const rankByName: ReadonlyMap<string, number> = new Map(anomalies.map(([name], rank) => [name, rank]));
/** Unknown names count as safety, before those that merely say that something took too long. */
const UNKNOWN_RANK = rankByName.get("nonlinearizable history") as number;

/** Smaller is graver. */
export function gravity(anomaly: Pick<Anomaly, "name">): number {
  return rankByName.get(anomaly.name) ?? UNKNOWN_RANK;
}

/** What went wrong, as a clause; undefined for a name that is not in the glossary. */
export function meaning(name: string): Entry | undefined {
  return byName.get(name);
}

/** By the beginning of a guarantee's name, longest first: what it promises. */
const guarantees: readonly (readonly [prefix: string, promise: string])[] = [
  [
    "linearizability",
    "Every operation seems to happen in one instant between its call and its answer, so that once an answer was given, everybody sees its effect (Herlihy and Wing, 1990).",
  ],
  [
    "revision order",
    "The store numbers its changes 1, 2, 3, …: each number belongs to one change, and answers never fall behind what was confirmed before.",
  ],
  [
    "one write per revision",
    "The store numbers its changes 1, 2, 3, …, and each number belongs to one change.",
  ],
  [
    "reads at a revision",
    "An answer that names a point of the store's history shows the contents of exactly that point.",
  ],
  [
    "transaction guards",
    "The conditions of a transaction are judged and its changes made in one step, with nothing in between.",
  ],
  ["mutual exclusion", "At any moment at most one client holds the lock."],
  [
    "fencing tokens grow",
    "Each new holder of the lock gets a greater token, so that a late one can be recognised and refused.",
  ],
  [
    "guarded writes",
    "What is written under the lock takes effect exactly once and is not overwritten unseen.",
  ],
  ["watch: reliable", "A watcher is told of every change it asked for, none left out."],
  ["watch: resumable", "A watcher that comes back and names its place is told of everything since."],
  ["watch: ordered", "A watcher is told of changes in the order in which they happened."],
  ["watch: unique", "A watcher is told of each change once."],
  ["watch: atomic", "The changes of one transaction reach a watcher together."],
  [
    "watch: bookmarkable",
    'A watcher that is told "you are up to date to here" is never told of anything earlier afterwards.',
  ],
  ["watch: never before its start", "A watcher is told nothing from before the place where it began."],
  ["watch", "A watcher sees exactly the changes it asked for, in order, each once."],
  ["lease: alive for its ttl", "A lease lives at least as long as was promised when it was last renewed."],
  ["lease: gone after its ttl", "A lease that nobody renews dies in bounded time, and its keys with it."],
  ["lease: dead once revoked", "A lease that was revoked is dead for ever."],
  ["lease: all keys go at once", "All keys of a lease disappear in one step when it dies."],
  ["lease", "A lease lives as long as promised, dies once, and takes its keys with it."],
  [
    "bank: money",
    "Transfers move money and neither make nor lose any, so every reader of all accounts sees the same total.",
  ],
  ["bank", "Transfers are atomic, and every reader of all accounts sees one moment of the bank."],
  ["set: nothing acknowledged is lost", "An element whose addition was confirmed stays."],
  ["set", "The set holds what was added, each element once, and nothing else."],
  ["each write takes effect once", "A write takes effect once, however often messages are sent again."],
  ["liveness", "Once enough of the cluster is whole and connected again, it serves again in bounded time."],
  [
    "raft",
    "It is one of the rules inside the consensus protocol from which every promise to clients follows (Ongaro and Ousterhout, 2014).",
  ],
];

export function promise(guarantee: string): string | undefined {
  return guarantees.find(([prefix]) => guarantee.startsWith(prefix))?.[1];
}

/** What an invariant of raft says. Names as the invariant checker gives them. */
const invariants: { readonly [name: string]: string } = {
  "election-safety": "at most one node leads in a term",
  "one-vote-per-term": "a node votes for one candidate per term",
  "vote-up-to-date": "a vote goes only to a candidate whose log is at least as complete as the voter's",
  "monotone-state": "terms and commit positions never go back",
  "promise-survives-restart": "a node that restarts still knows every vote and term it told others of",
  "leader-append-only": "a leader never removes entries of its own log",
  "log-matching": "logs that agree on one entry agree on all before it",
  "leader-completeness": "a new leader has every entry that was committed before",
  "state-machine-safety": "no two nodes apply different entries at the same position",
  "commit-durable": "an entry is committed only once it is on the disks of a majority",
  "commit-own-term": "a leader counts copies only of entries of its own term",
  "acknowledge-durable": "a node says that it has an entry only once it is on its disk",
  "durable-survives-restart": "what was on a disk is there after a restart",
  "acknowledged-committed": "a client is told of a write only after it was committed",
  "applied-committed": "entries are applied in order, once, and only after they were committed",
  "equal-state": "nodes that applied the same entries hold the same data",
  "equal-configuration": "nodes that applied the same entries agree on who the members are",
  "quorums-intersect": "any two majorities share a node, also while the membership changes",
  "read-linearizable": "a read sees every commit from before it began",
  progress: "a leader counts only what is on a follower's disk",
};

export function invariant(name: string): string | undefined {
  return invariants[name];
}
