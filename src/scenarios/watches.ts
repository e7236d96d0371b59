/** Scenarios of watches: how a client that follows changes comes to miss some. */
import type { Scenario } from "./scenario.ts";

const guarantee = "a watch delivers every change in order; so a list and a watch make a true copy";

export const watchScenarios: readonly Scenario[] = [
  {
    name: "watch-gap",
    summary: "a watch breaks, the client opens it again, and what happened in between is never heard of",
    guarantee,
    story:
      "A client keeps a copy of some keys: it lists them once and then follows a watch. A connection is lost, or a member dies. The client watches again, from now on.",
    symptom:
      "One process believes in a value that everybody else has seen replaced or deleted, until the key changes again, which may be never.",
    remedy:
      "Remember the revision of the last change that was heard of, and watch from the next one: the store sends what was missed.",
    plan: {
      workload: "mirror",
      nodes: 3,
      rate: 60,
      faults: ["reset", "kill"],
      faultInterval: 2,
      duration: 20,
      seed: 0,
    },
    broken: {
      way: "the watch goes on from now",
      settings: { "workloadOptions.resume": "now" },
      failures: [
        { checker: "revisions", anomaly: "stale value" },
        { checker: "revisions", anomaly: "lost write" },
      ],
    },
    right: {
      way: "it goes on after the last revision heard of",
      settings: { "workloadOptions.resume": "next" },
    },
  },
  {
    name: "watch-off-by-one",
    summary: "a watch is resumed one revision too late, and loses just the change that came next",
    guarantee,
    story:
      "The client remembers where to go on, and adds one when it remembers and one more when it resumes. Most of the time nothing was changed in between, so nothing is missed.",
    symptom: "As with watch-gap, but one change at a time, and seldom enough to be taken for something else.",
    remedy:
      "Keep the revision of the last change that was applied, and nothing else; the revision to watch from is that plus one, worked out in one place. One too early is harmless if changes are applied by their revision.",
    plan: {
      workload: "mirror",
      nodes: 3,
      rate: 60,
      faults: ["kill"],
      faultInterval: 2,
      duration: 20,
      seed: 0,
    },
    broken: {
      way: "the watch goes on one revision too late",
      settings: { "workloadOptions.resume": "next-but-one" },
      failures: [
        { checker: "revisions", anomaly: "stale value" },
        { checker: "revisions", anomaly: "lost write" },
      ],
    },
    right: {
      way: "it goes on after the last revision heard of",
      settings: { "workloadOptions.resume": "next" },
    },
  },
  {
    name: "watch-one-shot",
    summary: "a watch that fires once is set again too late, and misses what changed meanwhile",
    guarantee,
    story:
      "The client watches for one change, handles it, and then watches for the next: the way of etcd's first API and of ZooKeeper. Between the change and the new watch others go on writing. No fault is needed.",
    symptom: "Under load, updates are missed all the time; on a quiet system it works.",
    remedy:
      "Set the watch again from the revision after the change that fired, which leaves no gap however late it is. Where a watch cannot name a revision, set it first, and read the value after.",
    plan: {
      workload: "mirror",
      workloadOptions: { oneShot: true },
      nodes: 3,
      rate: 60,
      faults: [],
      duration: 8,
      seed: 1,
    },
    broken: {
      way: "the next watch begins when it is set",
      settings: { "workloadOptions.resume": "now" },
      failures: [
        { checker: "revisions", anomaly: "stale value" },
        { checker: "revisions", anomaly: "lost write" },
      ],
    },
    right: {
      way: "the next watch begins after the last change",
      settings: { "workloadOptions.resume": "next" },
    },
  },
  {
    name: "watch-compacted",
    summary:
      "the revision to resume from is compacted, and the client goes on with what is left of the history",
    guarantee,
    story:
      "A client was away while the store was compacted. Its watch is cancelled, with the oldest revision that can still be watched, and the client takes that for the place to go on from.",
    symptom:
      "Keys that were deleted before the compaction live on in the copy, and values that were replaced before it stay.",
    remedy:
      'A compacted revision means that the copy cannot be continued: list everything again, replace the copy as a whole, and watch from the list\'s revision. Kubernetes calls it "too old resource version".',
    plan: {
      workload: "mirror",
      workloadOptions: { compactions: 0.3 },
      nodes: 3,
      rate: 100,
      faults: ["reset"],
      faultInterval: 1,
      duration: 20,
      seed: 1,
    },
    broken: {
      way: "the watch goes on from the oldest revision left",
      settings: { "workloadOptions.compacted": "go-on" },
      failures: [
        { checker: "revisions", anomaly: "stale value" },
        { checker: "revisions", anomaly: "lost write" },
      ],
    },
    right: { way: "all keys are listed again", settings: { "workloadOptions.compacted": "list" } },
  },
];
