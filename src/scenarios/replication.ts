/** Scenarios of replication: who leads, and what a read is worth. */
import type { PlanInput } from "../plan.ts";
import type { Scenario } from "./scenario.ts";

/** The leader is cut off again and again, and clients on both sides go on. */
const leaderCutOff: PlanInput = {
  workload: "register",
  nodes: 3,
  concurrency: 12,
  rate: 50,
  timeout: 0.5,
  faults: ["partition"],
  target: "isolate-leader",
  faultInterval: 6,
  duration: 25,
  seed: 1,
};

export const replicationScenarios: readonly Scenario[] = [
  {
    name: "split-brain",
    summary: "two leaders accept writes, and one side's are lost when they meet again",
    guarantee: "linearizability; in Raft, election safety and leader completeness",
    story:
      "Four members are cut into two halves. If two of four count as a majority, each half elects a leader of its own, and both acknowledge writes. When the network heals, one leader follows the other, and what was written under it is thrown away.",
    symptom:
      "Two clients are told different values of one key at one revision; a write that was acknowledged is gone, or a read returns what had been overwritten.",
    remedy:
      "A quorum: any two majorities share a member, which votes once in a term and keeps what it has acknowledged. So a fifth member buys more than a fourth. During the cut neither half of four serves, which is the price. Pre-vote and check-quorum do not prevent a split brain; they keep a leader that cannot be useful from standing in the way. Where the outside world must be protected from a leader that does not know it was deposed, only fencing helps: see lock-outlived.",
    plan: {
      workload: "register",
      workloadOptions: { keys: 1 },
      nodes: 4,
      faults: ["partition"],
      target: "n1,n2|n3,n4",
      faultInterval: 5,
      duration: 15,
      seed: 1,
    },
    broken: {
      way: "half of the members count as a majority",
      settings: { bug: "quorum-half" },
      failures: [
        { checker: "revisions", anomaly: "two writes share a revision" },
        { checker: "revisions", anomaly: "one revision, two values" },
      ],
    },
    right: { way: "a majority is more than half", settings: {} },
  },
  {
    name: "deposed-leader",
    summary: "a leader that was cut off and replaced goes on answering reads from the past",
    guarantee: "linearizability: no stale reads",
    story:
      "The leader is cut off. The others elect a new one and accept writes, of which the old leader cannot hear. It still believes to lead, and answers its clients from its own store.",
    symptom: "A client reads a value that somebody else had overwritten, and been told so, seconds before.",
    remedy:
      "Before it answers, a leader confirms with a quorum that it still leads (ReadIndex; Ongaro's thesis, 6.4). Check-quorum alone makes the window short, since a leader that hears no majority steps down after an election timeout, but does not close it.",
    plan: { ...leaderCutOff, workloadOptions: { keys: 1, staleRead: 0, cas: 0, write: 1 } },
    broken: {
      way: "a leader answers reads without asking whether it still leads",
      settings: { bug: "read-without-quorum" },
      failures: [{ checker: "linearizable", anomaly: "stale read" }],
    },
    right: { way: "a quorum confirms the leader before each read", settings: {} },
  },
  {
    name: "serializable-reads",
    summary: "reads that any member may answer alone are taken for linearizable ones",
    guarantee: "linearizability; what was asked for is sequential consistency at best",
    story:
      "Somebody makes reads cheaper by asking for serializable ones: the member at hand answers from its own store, without the leader. It may lag behind by milliseconds, or, cut off from the others, by minutes.",
    symptom:
      "A client does not find what it has been told was written, perhaps by itself through another member; and a counter seems to run backwards when it changes members.",
    remedy:
      "Ask for linearizable reads, the default of etcd, wherever the answer decides what is written next. Serializable reads are for what may be old: a dashboard, or a first look before a guarded transaction.",
    plan: {
      workload: "register",
      workloadOptions: { keys: 1 },
      nodes: 3,
      faults: ["partition"],
      target: "isolate-one",
      faultInterval: 4,
      duration: 15,
      seed: 1,
    },
    broken: {
      way: "reads are serializable",
      settings: { "workloadOptions.consistency": "serializable" },
      failures: [{ checker: "linearizable", anomaly: "stale read" }],
    },
    right: { way: "reads are linearizable", settings: {} },
  },
];
