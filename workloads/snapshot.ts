/**
 * Half of the threads change keys and compact; the others back up all keys page by page at one revision, restore
 * the backup beside the original in one transaction, read it again, and discard it. What etcd's own snapshots give on top, the
 * whole database as a file, no client of this interface can ask for.
 */
import { z } from "zod";
import { type Evidence, revisions, type Sight } from "../checkers/revisions.ts";
import { type Entry, type SnapshotSignature, snapshotChecker } from "../checkers/snapshot.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import { limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Operation } from "../src/history/history.ts";
import type { Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** A restore is one transaction, which etcd limits to 128 operations. */
  keys: z.number().int().min(1).max(100).default(20),
  /** Keys fetched by one request of a backup. */
  page: z.number().int().min(1).max(1_000).default(5),
  /** Whether all pages are read at the revision of the first, or each at the newest. */
  pinned: z.boolean().default(true),
  /** Share of the writes that delete. */
  deletes: z.number().min(0).max(1).default(0.2),
  /** Share of the writes that compact instead. */
  compactions: z.number().min(0).max(1).default(0.02),
});
type Options = z.infer<typeof Options>;

const PREFIX = "snapshot/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "snapshot0";

/** Among the keys of a backup, but not one of them. */
const MARK = "mark";

const STEPS = ["backup", "restore", "verify", "discard"] as const;
type Step = (typeof STEPS)[number];

/** What one thread is about to do. Its values and backups are its own number plus multiples of the concurrency. */
type Memory = {
  readonly next: number;
  readonly head: number;
  readonly step: Step;
};

export const snapshot: WorkloadFactory<KvApi> = {
  name: "snapshot",
  summary: "backs up all keys under load, restores them and reads them again: one revision, and nothing lost",
  create({ options, concurrency }) {
    const parsed = parseOptions("snapshot", Options, options);
    const keys = Array.from({ length: parsed.keys }, (_, i) => keyName(i));
    const fresh: Memory = { next: 1, head: 1, step: "backup" };
    return untyped<SnapshotSignature, KvApi>({
      name: "snapshot",
      generator: eachThread(stateful<SnapshotSignature, Memory>(fresh, traffic(parsed, concurrency))),
      final: eachThread(untilOk(limit(10, repeat({ f: "backup", value: { id: 0 } })))),
      checkers: [
        revisions((operation: Operation<SnapshotSignature>) => evidenceOf(operation, keys)),
        snapshotChecker,
      ],
      open: (api) => new SnapshotClient(api, parsed),
    });
  },
};

function keyName(i: number): string {
  return `k${String(i).padStart(2, "0")}`;
}

function traffic(options: Options, concurrency: number): Behaviour<SnapshotSignature, Memory> {
  const { keys, deletes, compactions } = options;
  return {
    draw(memory, thread, random) {
      const { next, head, step } = memory;
      const number = thread + next * concurrency;
      const writes = concurrency === 1 ? step === "backup" && random.chance(0.7) : thread % 2 === 0;
      if (!writes) return { call: { f: step, value: { id: number } }, memory };
      const draw = random.next();
      const key = keyName(random.below(keys));
      if (draw < compactions)
        return { call: { f: "compact", value: { revision: Math.max(1, head - random.below(10)) } }, memory };
      if (draw < compactions + deletes) return { call: { f: "delete", value: { key } }, memory };
      return { call: { f: "put", value: { key, value: number } }, memory: { ...memory, next: next + 1 } };
    },
    learn(memory, event) {
      if (event.type === "invoke") return memory;
      if (event.f === "put" || event.f === "delete")
        return event.type === "ok" ? { ...memory, head: event.value.revision } : memory;
      if (event.f === "compact") return memory;
      const following = STEPS[STEPS.indexOf(event.f) + 1];
      // One backup after another; what failed on the way is left behind.
      if (event.type !== "ok" || following === undefined)
        return { ...memory, next: memory.next + 1, step: "backup" };
      return { ...memory, step: following };
    },
  };
}

class SnapshotClient implements Client<SnapshotSignature> {
  readonly #api: KvApi;
  readonly #page: number;
  readonly #pinned: boolean;
  #backup: readonly Entry[] = [];

  constructor(api: KvApi, { page, pinned }: Options) {
    this.#api = api;
    this.#page = page;
    this.#pinned = pinned;
  }

  readonly invoke: Client<SnapshotSignature>["invoke"] = {
    put: ({ key, value }) =>
      attemptWrite(async () => {
        const { header } = await this.#api.request({ kind: "put", key: PREFIX + key, value: String(value) });
        return ok({ revision: header.revision });
      }),
    delete: ({ key }) =>
      attemptWrite(async () => {
        const { header, deleted } = await this.#api.request({ kind: "delete-range", key: PREFIX + key });
        return ok({ revision: header.revision, deleted: deleted > 0 });
      }),
    compact: ({ revision }) =>
      attemptWrite(async () => {
        await this.#api.request({ kind: "compact", revision });
        return ok(null);
      }),
    backup: () => attemptRead(() => this.#takeBackup()),
    restore: ({ id }) =>
      attemptWrite(async () => {
        const entries = restored(id, this.#backup);
        const { header } = await this.#api.request({
          kind: "txn",
          compare: [],
          success: entries.map(({ key, value }) => ({ kind: "put", key, value: String(value) })),
          failure: [],
        });
        return ok({ revision: header.revision, entries });
      }),
    verify: ({ id }) =>
      attemptRead(async () => {
        const place = placeOf(id);
        const { kvs, header } = await this.#api.request({
          kind: "range",
          key: place,
          rangeEnd: endOf(place),
        });
        const entries = kvs.map((kv) => entryOf(kv, place)).filter(({ key }) => key !== MARK);
        return ok({ revision: header.revision, entries });
      }),
    discard: ({ id }) =>
      attemptWrite(async () => {
        const place = placeOf(id);
        const { prevKvs, header } = await this.#api.request({
          kind: "delete-range",
          key: place,
          rangeEnd: endOf(place),
          prevKv: true,
        });
        return ok({ revision: header.revision, deleted: prevKvs.map(({ key }) => key) });
      }),
  };

  close(): void {
    this.#api.close();
  }

  async #takeBackup(): Promise<Outcome<SnapshotSignature["backup"]["out"]>> {
    const entries: Entry[] = [];
    let revision: number | undefined;
    for (let key = PREFIX; ; ) {
      const { kvs, more, header } = await this.#api.request({
        kind: "range",
        key,
        rangeEnd: PREFIX_END,
        limit: this.#page,
        ...(revision === undefined || !this.#pinned ? {} : { revision }),
      });
      revision ??= header.revision;
      for (const kv of kvs) entries.push(entryOf(kv, PREFIX));
      const last = kvs.at(-1);
      if (!more || last === undefined) break;
      key = `${last.key}\0`;
    }
    this.#backup = entries;
    return ok({ revision, entries });
  }
}

function placeOf(id: number): string {
  return `restored/${id}/`;
}

/** The first key after all that start with the prefix. */
function endOf(place: string): string {
  return `${place.slice(0, -1)}0`;
}

/** The entries under their new keys, and a mark that makes even an empty backup a change. */
function restored(id: number, backup: readonly Entry[]) {
  const place = placeOf(id);
  return [{ key: place + MARK, value: id }, ...backup.map(({ key, value }) => ({ key: place + key, value }))];
}

function entryOf({ key, value, modRevision, createRevision, version }: KeyValue, prefix: string): Entry {
  return { key: key.slice(prefix.length), value: Number(value), modRevision, createRevision, version };
}

function evidenceOf(operation: Operation<SnapshotSignature>, keys: readonly string[]): Evidence {
  const revision = operation.f === "compact" ? undefined : operation.output?.revision;
  const nothing: Evidence = { linearizable: true, revision, changes: [], sees: [] };
  switch (operation.f) {
    case "put":
      return { ...nothing, changes: [{ key: operation.input.key, value: operation.input.value }] };
    case "delete":
      if (operation.output?.deleted === false) return nothing;
      return { ...nothing, changes: [{ key: operation.input.key, value: null }] };
    case "compact":
      return nothing;
    case "backup": {
      if (operation.output === undefined) return nothing;
      const { entries, revision: at } = operation.output;
      const held = new Map(entries.map((entry) => [entry.key, entry]));
      const sees = keys.map((key): Sight => {
        const entry = held.get(key);
        return entry === undefined ? { key, at, value: null, modRevision: 0 } : { ...entry, at };
      });
      return { ...nothing, sees };
    }
    case "restore":
      return { ...nothing, changes: operation.output?.entries ?? restored(operation.input.id, []) };
    case "discard": {
      const deleted = operation.output?.deleted ?? [placeOf(operation.input.id) + MARK];
      return { ...nothing, changes: deleted.map((key) => ({ key, value: null })) };
    }
    case "verify": {
      if (operation.output === undefined) return nothing;
      const { entries, revision: at } = operation.output;
      const place = placeOf(operation.input.id);
      return { ...nothing, sees: entries.map((entry) => ({ ...entry, key: place + entry.key, at })) };
    }
  }
}
