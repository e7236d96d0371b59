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
  snapshotChunkBytes: z.number().int().min(64).default(524_288),
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

/** How etcd is run, where it is the system under test; the defaults are its own. */
export const EtcdOptions = z.strictObject({
  /** The program: a path, or a name to look for on the PATH. */
  binary: z.string().default("etcd"),
  /** In containers, an image to run instead, which has `etcd` on its path. */
  image: z.string().min(1).optional(),
  heartbeatMs: z.number().int().min(1).max(10_000).default(100),
  electionMs: z.number().int().min(5).max(50_000).default(1_000),
  snapshotCount: z.number().int().min(1).default(100_000),
  compactionBatchLimit: z.number().int().min(1).default(1_000),
  watchProgressMs: z.number().int().min(1).default(600_000),
  /** Further flags, each word one item. */
  flags: z.array(z.string()).default([]),
});
export type EtcdOptions = z.infer<typeof EtcdOptions>;

/** How containers are made, where members are containers. */
export const DockerOptions = z.strictObject({
  /**
   * The image that those of members are built on. It needs Node, and nft and ss or else apt-get. By default
   * node:22-slim, or where that can neither be found nor pulled, one made of this machine's own programs.
   */
  baseImage: z.string().min(1).optional(),
});

/** Faults that only members who speak by datagram can feel: a stream puts packets in order again. */
export const datagramFaults: readonly string[] = ["duplicate", "reorder"];

/** One invocation of a scripted run. */
export const ScriptedCall = z.strictObject({
  /** Seconds since the start, to the nanosecond. It waits for its thread if that is busy. */
  at: z.number().min(0).max(1_000_000),
  /** A client thread; the nemesis if left out. */
  thread: z.number().int().min(0).max(9_999).optional(),
  f: z.string(),
  key: z.string().optional(),
  value: json.default(null),
});
export type ScriptedCall = z.infer<typeof ScriptedCall>;

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
  /** End the load soon after a promise is broken, and skip recovery and final reads. */
  failFast: z.boolean().default(false),
  /** Draw sizes, knobs, network, disk and fault classes from the seed; what is set stays an upper frame. */
  swarm: z.boolean().default(false),
  /** From this moment on, in seconds, all chance is drawn from another seed; until then the run is that of `seed`. */
  future: z
    .strictObject({
      at: z.number().min(0).max(1_000_000),
      seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    })
    .optional(),
  /** Exactly these invocations, instead of what the workload and the faults would draw, and nothing after them. */
  script: z.array(ScriptedCall).optional(),
  raftkv: RaftKvOptions.prefault({}),
  etcd: EtcdOptions.prefault({}),
  docker: DockerOptions.prefault({}),
  network: NetworkOptions.prefault({}),
  disk: DiskOptions.prefault({}),
});
export type Plan = z.infer<typeof Plan>;
export type PlanInput = z.input<typeof Plan>;

/** Throws UsageError naming every wrong field and what would be right. */
export function parsePlan(value: unknown, source = "plan"): Plan {
  return parse(Plan, value, source);
}

/** `plan` with another value at a path such as raftkv.preVote. */
export function withSetting(
  plan: { readonly [setting: string]: unknown },
  path: string,
  value: unknown,
): Record<string, unknown> {
  const [first, ...rest] = path.split(".") as [string, ...string[]];
  if (rest.length === 0) return { ...plan, [first]: value };
  const inner = plan[first];
  const group = typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : {};
  return { ...plan, [first]: withSetting(group, rest.join("."), value) };
}

/** What `schema` makes of `value`. Throws UsageError that begins with `source`. */
export function parse<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  // Two checks of one field may both fail; the first says enough.
  const problems = new Map<string, string>();
  for (const issue of parsed.error.issues) {
    const where = issue.path.map(String).join(".");
    if (!problems.has(where))
      problems.set(where, (where === "" ? "" : `${where}: `) + wording(schema, issue));
  }
  throw new UsageError(`${source}: ${[...problems.values()].join("; ")}`);
}

function wording(schema: z.ZodType, issue: z.core.$ZodIssue): string {
  const given = JSON.stringify(issue.input) ?? String(issue.input);
  switch (issue.code) {
    case "invalid_type":
      return `${given} is not ${TYPES[issue.expected] ?? issue.expected}`;
    case "too_small":
      return `${given} is too small; it must be ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `${given} is too big; it must be at most ${issue.maximum}`;
    case "invalid_value":
      return `${given} is not ${issue.values.map(String).join(" or ")}`;
    case "unrecognized_keys": {
      const fields = fieldsAt(schema, issue.path);
      return issue.keys
        .map((key) => `there is no ${JSON.stringify(key)}; ${suggestion(key, fields)}`)
        .join("; ");
    }
    default:
      return issue.message;
  }
}

const TYPES: { readonly [expected: string]: string } = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  object: "a map of settings",
  record: "a map of settings",
};

/** The names of the settings at `path`. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = schema;
  for (const name of path) {
    if (at instanceof z.ZodArray) at = bare(at.element);
    else at = at instanceof z.ZodObject ? bare(at.shape[String(name)]) : undefined;
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function bare(schema: unknown): unknown {
  const wrapped =
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional;
  return wrapped ? bare(schema.unwrap()) : schema;
}

/** What a person who wrote `name` may have meant: the names a slip or two away, or else all. */
export function suggestion(name: string, names: readonly string[]): string {
  // Two slips in a long name, one in a short; a digit is no slip: n9 is not n1.
  const slips = name.length > 3 ? 2 : 1;
  const close = names.filter((candidate) => !/\d$/.test(name) && distance(candidate, name) <= slips);
  if (close.length > 0) return `did you mean ${close.join(" or ")}?`;
  return names.length === 1 ? `there is only ${names[0]}` : `there are ${names.join(", ")}`;
}

/** Edit distance of Levenshtein, but for case. */
function distance(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  let row = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const change = (row[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[right.length] as number;
}
