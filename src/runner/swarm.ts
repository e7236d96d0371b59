/**
 * Swarm testing (Groce et al., ISSTA 2012): each seed draws its own sizes, knobs and classes of faults. Leaving most
 * features out of a run reaches states that a run with everything on never sees; small knobs (one entry per message,
 * a snapshot every twenty entries) make rare interleavings common.
 */
import { datagramFaults, type Plan, type PlanInput, parsePlan, UsageError } from "../plan.ts";
import { type Random, seededRandom } from "../runtime/random.ts";

/** What a cluster must survive, as drawn from when a plan names no faults. */
export const survivable: readonly string[] = [
  "partition",
  "flapping",
  "kill",
  "pause",
  "power",
  "restart",
  "clock",
  "delay",
  "loss",
  "hold",
  "reset",
  "disk-slow",
  "transfer",
  "transfer-cut",
  "membership",
  "compact",
  "snapshot",
  "leader-hunt",
  "commit-hunt",
  "voter-restart",
  "snapshot-hunt",
  "lease-hunt",
];
/** The same for a cluster too small to lose the company of a member. */
const survivableAlone: readonly string[] = [
  "kill",
  "pause",
  "power",
  "restart",
  "clock",
  "disk-slow",
  "compact",
  "snapshot",
];
/** Faults that wait for what only some workloads do: where nothing has a lease, none ever expires. */
const onlyFor: { readonly [fault: string]: readonly string[] } = {
  "lease-hunt": ["lease", "lock", "election", "registry"],
};
/** Classes of faults in one run, on average. Few at a time reach further than all at once. */
const CLASSES = 3;

/** The concrete plan of an input: what is set stays, what is not set is drawn from the seed if `swarm` is on. */
export function resolvePlan(input: PlanInput): Plan {
  const framed = parsePlan(input);
  if (!framed.swarm) return framed;
  if (framed.place !== "simulated")
    throw new UsageError(
      `swarm: only clusters of the simulated place can be drawn; for place ${framed.place} say --no-swarm to a sweep, and leave --swarm out of a run`,
    );
  const random = seededRandom(framed.seed).fork("swarm");
  const { swarm: _, ...fixed } = input;
  const few = fixed.nodes !== undefined && fixed.nodes < 3;
  const allowed = fixed.faults ?? (few ? survivableAlone : survivable);
  const drawn = draw(allowed, framed.workload, random);
  return parsePlan({
    ...drawn,
    ...fixed,
    raftkv: { ...drawn.raftkv, ...fixed.raftkv },
    network: { ...drawn.network, ...fixed.network },
    disk: { ...drawn.disk, ...fixed.disk },
    // Which of the allowed classes take part is drawn even if the list was given.
    faults: drawn.faults,
  });
}

function draw(allowed: readonly string[], workload: string, random: Random): PlanInput {
  const pick = <T>(label: string, items: readonly T[]): T => random.fork(label).pick(items);
  const latencyMs = pick("latency", [0.5, 1, 1, 5, 20, 50]);
  const loss = pick("loss", [0, 0, 0.01, 0.05]);
  const faults = drawFaults(allowed, workload, random.fork("faults"));
  const transport = pick("transport", ["stream", "stream", "datagram"] as const);
  // An election has to outlast several round trips, and the time after which a lost segment is sent again (some
  // hundred milliseconds), or no leader ever stays.
  const tickMs = Math.max(pick("tick", [20, 50, 100]), Math.ceil(latencyMs * 2), loss > 0 ? 100 : 0);
  const maxEntriesPerMessage = pick("entries", [1, 3, 64]);
  const snapshotEvery = pick("snapshot", [20, 100, 1_000]);
  const catchUpEntries = pick("catch-up", [0, 10, 200]);
  const pieces = pick("snapshot-chunk", [64, 4_096, 524_288]);
  // A snapshot in small pieces takes seconds on such a link. If the log behind it is gone by then, as the next one was
  // taken, whoever was left behind never catches up.
  const hasty = snapshotEvery === 20 && catchUpEntries < 200 && (loss > 0 || latencyMs > 1);
  return {
    nodes: pick("nodes", [3, 3, 3, 5, 5, 4, 7]),
    concurrency: pick("concurrency", [3, 5, 10, 10, 20]),
    rate: pick("rate", [20, 50, 50, 100]),
    faults,
    faultInterval: pick("fault-interval", [3, 5, 10]),
    // Clients that give up soon are free again while a deposed leader still answers: they are who reads stale. But a
    // late or lost segment alone must not cost an operation.
    timeout: loss > 0 ? 5 : Math.max(pick("timeout", [5, 2, 1]), 0.06 * latencyMs),
    raftkv: {
      tickMs,
      electionTicks: pick("election", [8, 10, 20]),
      preVote: pick("pre-vote", [true, true, false]),
      checkQuorum: pick("check-quorum", [true, true, false]),
      snapshotEvery,
      snapshotChunkBytes: hasty ? Math.max(4_096, pieces) : pieces,
      catchUpEntries,
      maxEntriesPerMessage,
      // A window has to carry a thousand entries per second, or the load piles up behind it for ever.
      maxInflightMessages: Math.max(
        pick("inflight", [1, 4, 64]),
        Math.ceil((2 * latencyMs) / maxEntriesPerMessage),
      ),
      // Whose patience ends first, the member's or the client's?
      requestTimeoutMs: pick("request-timeout", [5_000, 5_000, 1_000]),
      segmentBytes: pick("segment", [4_096, 65_536, 1_048_576]),
      peerTransport: faults.some((fault) => datagramFaults.includes(fault)) ? "datagram" : transport,
      watchMaxEvents: pick("watch-events", [1, 8, 1_000]),
    },
    network: {
      latencyMs,
      loss,
      duplicate: pick("duplicate", [0, 0, 0.02]),
      codec: random.fork("codec").chance(0.1),
    },
    disk: { syncMs: pick("sync", [0.2, 1, 1, 10]) },
  };
}

/** Each class that can bite takes part with equal probability, at least one does. */
function drawFaults(faults: readonly string[], workload: string, random: Random): string[] {
  if (faults.length === 0) return [];
  const chance = Math.min(0.5, CLASSES / faults.length);
  const apt = faults.filter((fault) => onlyFor[fault]?.includes(workload) !== false);
  const drawn = apt.filter((fault) => random.fork(fault).chance(chance));
  return drawn.length > 0 ? drawn : [random.fork("only").pick(apt.length > 0 ? apt : faults)];
}
