/**
 * Writers change a few keys, watchers follow from every kind of revision, and compaction runs behind them.
 *
 * Half of the threads write; the other half open watches for drawn lifetimes and record all they are told. A watch
 * that ends is often resumed by the same thread where it stopped. At the end every thread reads the head and
 * follows the whole history that is left up to it.
 */
import { z } from "zod";
import { watchChecker } from "../checkers/watch.ts";
import type { Change, ObservedResponse, WatchRequest, WatchSignature } from "../checkers/watch-signature.ts";
import type { KvApi } from "../cluster/api.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Nanos, Op, Process, Thread } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { stateful } from "./stateful.ts";
import { WatchClient } from "./watch-client.ts";

const Options = z
  .strictObject({
    keys: z.number().int().min(1).max(1_000).default(10),
    /** Share of the threads that watch. */
    watchers: z.number().min(0).max(1).default(0.5),
    /** Share of the writes that delete. */
    deletes: z.number().min(0).max(1).default(0.25),
    /** Share of the writes that change several keys at once. */
    txns: z.number().min(0).max(1).default(0.15),
    /** Share of the writes that compact instead. */
    compactions: z.number().min(0).max(1).default(0.05),
    /** Share of the watches that stay open for another operation, each time. */
    kept: z.number().min(0).max(1).default(0.6),
    /** How long one operation watches; keep the maximum below the plan's timeout. */
    minLifetimeMs: z.number().positive().max(3_600_000).default(300),
    maxLifetimeMs: z.number().positive().max(3_600_000).default(4_000),
  })
  .refine(({ minLifetimeMs, maxLifetimeMs }) => minLifetimeMs <= maxLifetimeMs, {
    path: ["minLifetimeMs"],
    message: "is greater than maxLifetimeMs",
  })
  .refine(({ deletes, txns, compactions }) => deletes + txns + compactions <= 1, {
    path: ["deletes"],
    message: "deletes, txns and compactions together are more than 1",
  });
type Options = z.infer<typeof Options>;

const PREFIX = "watch/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "watch0";

/** What the generator has learnt of the store. */
type Knowledge = {
  /** Values put so far: the next is unique. */
  readonly values: number;
  readonly head: number;
  readonly compacted: number;
  /** Of the last delete. */
  readonly deleted: number;
  /** Operations that watch now. */
  readonly watching: ReadonlyMap<Process, Watching>;
  /** What each thread can go on with next. */
  readonly next: ReadonlyMap<Thread, Following>;
};

type Watching = WatchSignature["watch"]["in"];

/** Watches that are open, or can be resumed, and the revisions from which nothing would be missed. */
type Following = {
  readonly watches: readonly WatchRequest[];
  readonly starts: readonly number[];
  readonly open: boolean;
};

export const watch: WorkloadFactory<KvApi> = {
  name: "watch",
  summary: "follows changes from all kinds of revisions across compactions: etcd's watch guarantees",
  create({ options, concurrency }) {
    const parsed = parseOptions("watch", Options, options);
    // Somebody must write, and somebody must watch.
    const watching = Math.max(1, Math.round(concurrency * parsed.watchers));
    const writers = Math.max(1, concurrency - watching);
    const ignorant: Knowledge = {
      values: 0,
      head: 1,
      compacted: 0,
      deleted: 0,
      watching: new Map(),
      next: new Map(),
    };
    return untyped<WatchSignature, KvApi>({
      name: "watch",
      generator: stateful<WatchSignature, Knowledge>(ignorant, {
        draw(knowledge, thread, random) {
          const watches = concurrency === 1 ? random.chance(parsed.watchers) : thread >= writers;
          return watches
            ? drawWatch(knowledge, thread, random, parsed)
            : drawWrite(knowledge, random, parsed);
        },
        learn: (knowledge, event, context) => learn(knowledge, event, context.thread(event.process)),
      }),
      final: finalReads(),
      checkers: [watchChecker],
      open: (api, _process, runtime) => new WatchClient(api, runtime),
    });
  },
};

function keyName(i: number): string {
  return PREFIX + String(i).padStart(3, "0");
}

type Next = { readonly call: Call<WatchSignature>; readonly memory: Knowledge };

function drawWrite(knowledge: Knowledge, random: Random, options: Options): Next {
  const { keys, deletes, txns, compactions } = options;
  const { values } = knowledge;
  let draw = random.next();
  if (draw < compactions) {
    const revision = compactionRevision(knowledge, random);
    return { call: { f: "compact", value: { revision } }, memory: knowledge };
  }
  draw -= compactions;
  const first = random.below(keys);
  const key = keyName(first);
  if (draw < deletes) {
    const end = random.chance(0.15) ? keyName(first + random.between(2, 4)) : "";
    return { call: { f: "delete", value: { key, end } }, memory: knowledge };
  }
  draw -= deletes;
  if (draw >= txns || keys === 1) {
    const memory = { ...knowledge, values: values + 1 };
    return { call: { f: "put", value: { key, value: `v${values}` } }, memory };
  }
  const count = random.between(2, Math.min(5, keys));
  const chosen = random.shuffle(Array.from({ length: keys }, (_, i) => i)).slice(0, count);
  const changes = chosen.map(
    (i, nth): Change =>
      nth > 0 && random.chance(0.3)
        ? { type: "delete", key: keyName(i) }
        : { type: "put", key: keyName(i), value: `v${values + nth}` },
  );
  return { call: { f: "txn", value: { changes } }, memory: { ...knowledge, values: values + count } };
}

/** Mostly where it hurts: at a delete, at the head, now and then in the future. */
function compactionRevision({ head, compacted, deleted }: Knowledge, random: Random): number {
  const draw = random.below(10);
  if (draw < 4 && deleted > compacted) return deleted;
  if (draw < 6) return head;
  if (draw < 9) return Math.max(1, head - random.below(20));
  return head + random.between(1, 5);
}

function drawWatch(knowledge: Knowledge, thread: Thread, random: Random, options: Options): Next {
  const span = random.chance(0.5) ? options.maxLifetimeMs : options.minLifetimeMs * 4;
  const most = Math.min(options.maxLifetimeMs, span);
  const lifetime = Math.round(
    (options.minLifetimeMs + random.next() * (most - options.minLifetimeMs)) * MILLISECOND,
  );
  const following = knowledge.next.get(thread);
  const continues = following?.open === true;
  const watches = continues
    ? following.watches
    : following !== undefined && random.chance(0.5)
      ? following.watches.map((request, i) => ({ ...request, start: following.starts[i] ?? request.start }))
      : Array.from({ length: random.pick([1, 1, 2, 3]) }, () => drawRequest(knowledge, random, options.keys));
  const ask: Nanos[] = [];
  if (random.chance(0.4)) ask.push(0);
  if (random.chance(0.5)) ask.push(random.below(lifetime));
  if (random.chance(0.8)) ask.push(Math.floor(lifetime * 0.85));
  ask.sort((a, b) => a - b);
  const value: Watching = { watches, lifetime, ask, until: 0, continues, keep: random.chance(options.kept) };
  return { call: { f: "watch", value }, memory: knowledge };
}

function drawRequest(knowledge: Knowledge, random: Random, keys: number): WatchRequest {
  const first = random.below(keys);
  const [key, end] = random.pick([
    [PREFIX, PREFIX_END],
    [PREFIX, PREFIX_END],
    [keyName(first), ""],
    [keyName(first), keyName(first + random.between(2, 5))],
  ]) as [string, string];
  return {
    key,
    end,
    start: startRevision(knowledge, random),
    previous: random.chance(0.6),
    progress: random.chance(0.5),
    fragment: random.chance(0.3),
    filters: random.pick([[], [], [], [], ["no-put"], ["no-delete"]]),
  };
}

function startRevision({ head, compacted, deleted }: Knowledge, random: Random): number {
  const draw = random.below(100);
  if (draw < 25) return 0;
  if (draw < 50 && compacted > 0) return compacted;
  if (draw < 60 && deleted > 0) return deleted;
  if (draw < 75) return random.between(Math.max(1, compacted), Math.max(1, compacted, head));
  if (draw < 90) return Math.max(1, head + random.between(-20, 10));
  return head + random.between(10, 60);
}

function learn(knowledge: Knowledge, event: Op<WatchSignature>, thread: Thread): Knowledge {
  if (event.type === "invoke") {
    if (event.f !== "watch") return knowledge;
    return { ...knowledge, watching: new Map(knowledge.watching).set(event.process, event.value) };
  }
  if (event.f === "watch") return learnWatch(knowledge, event, thread);
  if (event.type !== "ok") return knowledge;
  if (event.f === "compact")
    return { ...knowledge, compacted: Math.max(knowledge.compacted, event.value.revision) };
  const { revision } = event.value;
  const head = Math.max(knowledge.head, revision);
  const deletes = "deleted" in event.value && event.value.deleted.length > 0;
  return { ...knowledge, head, deleted: deletes ? Math.max(knowledge.deleted, revision) : knowledge.deleted };
}

/** Remembers what the thread can go on with: its open watches, or where they ended. */
function learnWatch(knowledge: Knowledge, event: Op<WatchSignature>, thread: Thread): Knowledge {
  const input = knowledge.watching.get(event.process);
  if (input === undefined || event.f !== "watch") return knowledge;
  const watching = new Map(knowledge.watching);
  watching.delete(event.process);
  const outcomes = event.type === "ok" ? event.value.watches : [];
  let { compacted } = knowledge;
  for (const { responses } of outcomes)
    for (const { compactRevision } of responses) compacted = Math.max(compacted, compactRevision);
  const before = input.continues ? knowledge.next.get(thread)?.starts : undefined;
  const starts = input.watches.map(({ start }, i) =>
    resumption(before?.[i] ?? start, outcomes[i]?.responses ?? []),
  );
  // An operation that did not succeed takes the watches with it.
  const open = input.keep && outcomes.some(({ ended }) => ended === "");
  const next = new Map(knowledge.next).set(thread, { watches: input.watches, starts, open });
  return { ...knowledge, watching, compacted, next };
}

/** The revision to go on from, so that nothing is missed. */
function resumption(start: number, responses: readonly ObservedResponse[]): number {
  let next = start;
  for (const { kind, revision, events, fragment, compactRevision } of responses) {
    if (kind === "created" && next === 0) next = revision + 1;
    // In the middle of a revision, resume at its start.
    else if (kind === "events") next = Math.max(next, (events.at(-1)?.revision ?? 0) + (fragment ? 0 : 1));
    else if (kind === "progress") next = Math.max(next, revision + 1);
    else if (kind === "canceled" && compactRevision > 0) next = compactRevision;
  }
  return next;
}

/** What a thread does at the end: read the head, then follow all that is left of the history up to it. */
type Last = { readonly head: number; readonly start: number; readonly attempts: number };

const FINAL_LIFETIME = 4_000 * MILLISECOND;
const FINAL_ATTEMPTS = 10;

function finalReads(): OpGenerator<WatchSignature> {
  const ask = Array.from({ length: 8 }, (_, i) => i * 500 * MILLISECOND);
  return eachThread(
    stateful<WatchSignature, Last>(
      { head: 0, start: 1, attempts: 0 },
      {
        draw(last) {
          if (last.start === 0 || last.attempts === FINAL_ATTEMPTS) return undefined;
          const memory = { ...last, attempts: last.attempts + 1 };
          if (last.head === 0) return { call: { f: "read", value: null }, memory };
          const everything: WatchRequest = {
            key: PREFIX,
            end: PREFIX_END,
            start: last.start,
            previous: true,
            progress: true,
            fragment: false,
            filters: [],
          };
          const value: Watching = {
            watches: [everything],
            lifetime: FINAL_LIFETIME,
            ask,
            until: last.head,
            continues: false,
            keep: false,
          };
          return { call: { f: "watch", value }, memory };
        },
        learn(last, event) {
          if (event.type !== "ok") return last;
          if (event.f === "read") return { ...last, head: event.value.revision };
          if (event.f !== "watch") return last;
          const end = event.value.watches[0]?.responses.at(-1);
          // Compacted meanwhile: again from there. Otherwise it is done.
          return { ...last, start: end?.kind === "canceled" ? end.compactRevision : 0 };
        },
      },
    ),
  );
}
