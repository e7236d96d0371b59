/** Scenarios of locks and leases: what an owner may believe. */
import type { PlanInput } from "../plan.ts";
import type { Scenario } from "./scenario.ts";

/** Owners count under the lock, and half of the time they pause between reading the counter and writing it. */
const slowOwners: PlanInput = {
  workload: "lock",
  workloadOptions: { pauses: 0.5 },
  nodes: 3,
  concurrency: 4,
  rate: 20,
  faults: [],
  duration: 30,
  seed: 1,
};

export const lockScenarios: readonly Scenario[] = [
  {
    name: "lock-outlived",
    summary:
      "the owner of a lock pauses longer than its lease lives, and then writes over the next owner's work",
    guarantee: "mutual exclusion, and no lost update under it",
    story:
      "A client holds a lock that hangs on a lease. It reads, and then it stops for a while: a garbage collection, a swapped-out machine, a frozen virtual one. Its lease runs out and another client gets the lock, rightly. The first wakes up, does not know, and writes what it had worked out before.",
    symptom: "An update is gone that its owner had made under the lock, and neither client saw an error.",
    remedy:
      "A fencing token: each owner gets a number greater than the last one's, here the create revision of its ownership key, and whatever the lock protects refuses writes with an old one. In etcd that is a transaction which compares the ownership key's create revision. Nothing on the client's side can replace it, since a client cannot know that it has just been paused (Kleppmann, How to do distributed locking, 2016).",
    plan: slowOwners,
    broken: {
      way: "the owner writes unconditionally",
      settings: { "workloadOptions.guard": "none" },
      failures: [
        { checker: "mutual-exclusion", anomaly: "lost update under lock" },
        { checker: "mutual-exclusion", anomaly: "write behind the fence" },
      ],
    },
    right: { way: "each write carries the fencing token", settings: { "workloadOptions.guard": "fence" } },
  },
  {
    name: "check-then-put",
    summary: "a client looks whether it still holds the lock, and its lease expires before it writes",
    guarantee: "mutual exclusion, and no lost update under it",
    story:
      "Somebody has heard of expired leases, and lets the owner look before each write: is my key still there? It is. Then the lease runs out, another client gets the lock and writes, and the put of the first, long decided, arrives.",
    symptom:
      "As with no check at all, but rarer, so it passes the tests: an update made under the lock is gone now and then.",
    remedy:
      "The look and the write must be one step: the condition belongs into the transaction that writes. Between two requests anything can happen.",
    plan: slowOwners,
    broken: {
      way: "the owner looks, then writes",
      settings: { "workloadOptions.guard": "check" },
      failures: [
        { checker: "mutual-exclusion", anomaly: "lost update under lock" },
        { checker: "mutual-exclusion", anomaly: "write behind the fence" },
      ],
    },
    right: { way: "the look is a condition of the write", settings: { "workloadOptions.guard": "fence" } },
  },
  {
    name: "lock-without-lease",
    summary: "the owner of a lock without a time to live dies, and nobody ever gets the lock again",
    guarantee: "liveness: a lock whose owner is gone becomes free",
    story:
      "A lock is a key that is put if it does not exist, and deleted at the end. Its owner is killed, or loses its connection and never learns that it was the owner. The key stays.",
    symptom: "Everybody waits. All members are healthy, and the only remedy is to delete the key by hand.",
    remedy:
      "Let the key hang on a lease that its owner keeps alive. A lost owner then costs one time to live; and because a slow owner can lose the lock as well, the lease wants a fencing token: see lock-outlived.",
    plan: {
      workload: "lock",
      workloadOptions: { patienceMs: 1_500 },
      nodes: 3,
      concurrency: 4,
      rate: 20,
      timeout: 2,
      faults: ["kill"],
      target: "all",
      faultInterval: 5,
      duration: 15,
      seed: 2,
    },
    broken: {
      way: "the lock is a key without a lease",
      settings: { "workloadOptions.leased": false },
      failures: [{ checker: "liveness", anomaly: "no progress" }],
    },
    right: { way: "the lock hangs on a lease", settings: { "workloadOptions.leased": true } },
  },
];
