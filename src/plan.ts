/**
 * A plan: one run as a value. Everything that decides what happens is in it; in the simulator, running the same
 * plan twice gives the same bytes.
 */
import { z } from "zod";
import type { Json } from "./history/op.ts";

/** A mistake of the user: what is wrong, and what would be right. The command line turns it into exit code 254. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const probability = z.number().min(0).max(1);
const json: z.ZodType<Json> = z.json() as z.ZodType<Json>;

/** Settings of the built-in key-value store; the defaults are etcd's where etcd has them. */
export const RaftKvOptions = z.strictObject({
  tickMs: z.number().int().min(1).max(10_000).default(100),
  electionTicks: z.number().int().min(2).max(1_000).default(10),
  heartbeatTicks: z.number().int().min(1).max(100).default(1),
  preVote: z.boolean().default(true),
  checkQuorum: z.boolean().default(true),
  readMode: z.enum(["safe", "lease"]).default("safe"),
  snapshotEvery: z.number().int().min(5).default(1_000),
  catchUpEntries: z.number().int().min(0).default(200),
  maxEntriesPerMessage: z.number().int().min(1).default(64),
  maxInflightMessages: z.number().int().min(1).default(64),
  segmentBytes: z.number().int().min(4_096).default(1_048_576),
  requestTimeoutMs: z.number().int().min(10).default(5_000),
  peerTransport: z.enum(["stream", "datagram"]).default("stream"),
  watchMaxEvents: z.number().int().min(1).default(1_000),
  leaseCheckpoints: z.boolean().default(true),
});
export type RaftKvOptions = z.infer<typeof RaftKvOptions>;

export const NetworkOptions = z.strictObject({
  /** Mean one-way latency between two nodes. */
  latencyMs: z.number().min(0).max(10_000).default(1),
  loss: probability.default(0),
  duplicate: probability.default(0),
  /** Send every message through its wire format. */
  codec: z.boolean().default(false),
});
export const DiskOptions = z.strictObject({
  /** Mean time of an fsync. */
  syncMs: z.number().min(0).max(10_000).default(1),
});

/** Faults that only members who speak by datagram can feel: a stream puts packets in order again. */
export const datagramFaults: readonly string[] = ["duplicate", "reorder"];

export const Plan = z.strictObject({
  version: z.literal(1).default(1),
  system: z.string().default("raftkv"),
  place: z.string().default("simulated"),
  workload: z.string().default("register"),
  workloadOptions: z.record(z.string(), json).default({}),
  faults: z.array(z.string()).default(["partition", "kill", "pause", "clock"]),
  /** Mean seconds between the starts of two faults. */
  faultInterval: z.number().positive().max(86_400).default(10),
  /** Restricts the victims of every fault. */
  target: z.string().optional(),
  nodes: z.number().int().min(1).max(9).default(5),
  concurrency: z.number().int().min(1).max(10_000).default(10),
  /** Operations per second of all clients together; 0 for as fast as answers come. */
  rate: z.number().min(0).max(1_000_000).default(50),
  /** Seconds of load and faults; recovery and final reads come on top. */
  duration: z.number().positive().max(1_000_000).default(60),
  /** Seconds a client waits for an answer before the outcome counts as unknown. */
  timeout: z.number().positive().max(3_600).default(5),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** A planted bug to switch on; "" for none. */
  bug: z.string().default(""),
  /** Steps each checker may take. */
  budget: z.number().int().positive().max(Number.MAX_SAFE_INTEGER).default(20_000_000),
  /** Draw sizes, knobs, network, disk and fault classes from the seed; what is set stays an upper frame. */
  swarm: z.boolean().default(false),
  raftkv: RaftKvOptions.prefault({}),
  network: NetworkOptions.prefault({}),
  disk: DiskOptions.prefault({}),
});
export type Plan = z.infer<typeof Plan>;
export type PlanInput = z.input<typeof Plan>;

/** Throws UsageError naming every wrong field and what would be right. */
export function parsePlan(value: unknown, source = "plan"): Plan {
  const parsed = Plan.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const where = issue.path.length === 0 ? "" : `${issue.path.map(String).join(".")}: `;
    return where + issue.message;
  });
  throw new UsageError(`${source}: ${problems.join("; ")}`);
}
