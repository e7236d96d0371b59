/** Scenarios of what clients make of a store: retries, registries, configurations, backups. */
import type { Scenario } from "./scenario.ts";

export const clientScenarios: readonly Scenario[] = [
  {
    name: "retry-after-timeout",
    summary: "a request that timed out had taken effect, and the client sends it again",
    guarantee: "an operation takes effect once",
    story:
      "The leader stops for a while with a request in its hands. The client gives up waiting and, since surely nothing has happened, tries again. The leader goes on and carries the first attempt out as well.",
    symptom:
      "A counter counts more than was ever counted; a payment is made twice; nobody saw an error but a timeout.",
    remedy:
      "A timeout tells nothing. Either the client says so and lets somebody look, or it makes the operation idempotent: every attempt carries one name, and the transaction that does the work also records the name, on the condition that it is not there yet. Retries hidden in a client library are the same mistake, made for everybody.",
    plan: {
      workload: "counter",
      workloadOptions: { reads: 0.1 },
      nodes: 3,
      concurrency: 3,
      rate: 40,
      timeout: 0.5,
      faults: ["pause"],
      target: "leaders",
      faultInterval: 3,
      duration: 30,
      seed: 1,
    },
    broken: {
      way: "the client reads and adds once more",
      settings: { "workloadOptions.retry": "blind" },
      failures: [{ checker: "counter", anomaly: "value above the bounds" }],
    },
    right: {
      way: "attempts share a name, which counts once",
      settings: { "workloadOptions.retry": "named" },
    },
  },
  {
    name: "registry-lingers",
    summary: "instances of a service that died stay in the registry, and clients go on calling them",
    guarantee: "a registry entry goes away with its instance",
    story:
      "An instance puts its address into the registry when it starts and deletes it when it stops. One that crashes does not stop in order.",
    symptom: "A share of all calls goes to addresses where nobody answers, and it grows with every crash.",
    remedy:
      "The entry hangs on a lease that the instance renews for as long as it is well; it dies with it, one time to live later at most. Whoever cleans up by hand instead will one day delete an entry that was just made anew.",
    plan: { workload: "registry", nodes: 3, faults: [], duration: 10, seed: 1 },
    broken: {
      way: "entries have no lease",
      settings: { "workloadOptions.leased": false },
      failures: [{ checker: "registry", anomaly: "lingering entry" }],
    },
    right: { way: "entries hang on leases", settings: { "workloadOptions.leased": true } },
  },
  {
    name: "registry-vanishes",
    summary: "a clock jumps, and healthy instances vanish from the registry although they renew their leases",
    guarantee: "a lease lives for its time to live after each renewal",
    story:
      "The member that keeps the leases measures their lives by the clock on the wall. Somebody sets the clock, or NTP does, and to that member minutes have passed.",
    symptom:
      "All at once instances that work are gone from the registry, and the ones left break down under the load.",
    remedy:
      "Durations are measured with a monotonic clock, which no one can set, and an expiry goes through the log, so that a member whose clock runs off cannot act alone.",
    plan: { workload: "registry", nodes: 3, faults: ["clock"], faultInterval: 3, duration: 12, seed: 1 },
    broken: {
      way: "leases expire by the wall clock",
      settings: { bug: "lease-wall-clock" },
      failures: [{ checker: "registry", anomaly: "vanished entry" }],
    },
    right: { way: "leases expire by a monotonic clock", settings: {} },
  },
  {
    name: "config-mix",
    summary: "a configuration of several keys is updated key by key, and somebody reads half of each version",
    guarantee: "atomicity: a configuration is seen whole or not at all",
    story:
      "A new version touches several keys: the address here, the certificate there. The client that rolls it out puts one after another, while others read them or follow them with a watch.",
    symptom:
      "For a moment, or for ever if the update dies half-way, a process runs with parts that were never meant to go together.",
    remedy:
      "One transaction, guarded by the version that the update started from. Its changes share a revision, so a range read and a watch deliver them together. Where a version does not fit into one transaction, write it beside the old one and switch a single key that points to it.",
    plan: { workload: "config", nodes: 3, faults: [], duration: 10, seed: 1 },
    broken: {
      way: "the parts are put one after another",
      settings: { "workloadOptions.atomic": false },
      failures: [{ checker: "config", anomaly: "mixed configuration" }],
    },
    right: { way: "all parts change in one transaction", settings: { "workloadOptions.atomic": true } },
  },
  {
    name: "backup-mix",
    summary: "a backup reads page after page while others write, and is of no moment that ever was",
    guarantee: "a backup is the state at one revision",
    story:
      "A backup lists all keys, a page at a time. Each page shows the store as it is when the page is read, and between two pages others go on writing.",
    symptom:
      "The restored store has the order without the payment: something written later is in it, something written before is not.",
    remedy:
      "Remember the revision of the first page and read all others at that revision. If it is compacted meanwhile, start again, and do not go on with what there is.",
    plan: { workload: "snapshot", nodes: 3, faults: [], duration: 10, seed: 1 },
    broken: {
      way: "each page is read at the newest revision",
      settings: { "workloadOptions.pinned": false },
      failures: [{ checker: "revisions", anomaly: "read from the future" }],
    },
    right: { way: "all pages are read at one revision", settings: { "workloadOptions.pinned": true } },
  },
  {
    name: "restore-loses-leases",
    summary:
      "a member restores a snapshot that lacks a part of the state, and forgets which keys hang on a lease",
    guarantee: "a snapshot is the whole state; replicas that have applied the same log are equal",
    story:
      "A member was away for long, its log is compacted elsewhere, and it is sent a snapshot. The keys are in it; what ties them to their leases is not, since somebody added that later and thought of the log alone. When this member leads, leases expire and their keys stay.",
    symptom:
      "Members give different answers to the same question, and entries of dead instances linger, but only after certain restarts.",
    remedy:
      "Everything that applying a command can change belongs into the snapshot. Comparing hashes of the members' states at equal revisions finds what was forgotten, before it leads.",
    plan: {
      workload: "registry",
      nodes: 3,
      faults: ["kill", "snapshot"],
      faultInterval: 2,
      duration: 20,
      raftkv: { snapshotEvery: 30, catchUpEntries: 5 },
      seed: 1,
    },
    broken: {
      way: "the snapshot leaves out what hangs on leases",
      settings: { bug: "snapshot-omits-attachments" },
      failures: [{ checker: "registry", anomaly: "lingering entry" }],
    },
    right: { way: "the snapshot is the whole state", settings: {} },
  },
];
