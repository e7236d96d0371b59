/**
 * Half of the threads change keys; the others keep a copy of all of them, by one list and a watch from there on, over
 * lost connections and compactions. A copy that says it is of some revision must be what the store was then.
 */
import { z } from "zod";
import { type Evidence, revisions, type Sight } from "../checkers/revisions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Client } from "../src/client.ts";
import { limit, phases, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import { sleep } from "../src/generator/timing.ts";
import type { Operation } from "../src/history/history.ts";
import type { Call } from "../src/history/op.ts";
import { type Runtime, SECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { type Copied, MirroredCopy, PREFIX } from "./mirrored-copy.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  keys: z.number().int().min(1).max(1_000).default(10),
  /** Share of the writes that delete. */
  deletes: z.number().min(0).max(1).default(0.2),
  /** Share of the writes that compact instead. */
  compactions: z.number().min(0).max(1).default(0.02),
  /** From where a watch that ended goes on: after the last revision heard of, one too late, or now. */
  resume: z.enum(["next", "next-but-one", "now"]).default("next"),
  /** Watch for one response at a time, and then again. */
  oneShot: z.boolean().default(false),
  /** What to do if the revision to go on from is compacted: list all keys again, or go on with what is left. */
  compacted: z.enum(["list", "go-on"]).default("list"),
});
type Options = z.infer<typeof Options>;

type MirrorSignature = {
  /** Every value is put once. */
  put: { in: { readonly key: string; readonly value: number }; out: { readonly revision: number } };
  delete: { in: { readonly key: string }; out: { readonly revision: number; readonly deleted: boolean } };
  compact: { in: { readonly revision: number }; out: null };
  /** The copy as it is, and the revision it claims to be of. */
  look: { in: null; out: Copied };
};

const LOOK: Call<MirrorSignature> = { f: "look", value: null };

export const mirror: WorkloadFactory<KvApi> = {
  name: "mirror",
  summary: "keeps copies of all keys by list and watch: a copy is what the store was at its revision",
  create({ options, concurrency }) {
    const parsed = parseOptions("mirror", Options, options);
    const keys = Array.from({ length: parsed.keys }, (_, i) => `k${i}`);
    return untyped<MirrorSignature, KvApi>({
      name: "mirror",
      generator: eachThread(
        stateful<MirrorSignature, Memory>({ next: 1, head: 1 }, traffic(parsed, concurrency)),
      ),
      final: phases<MirrorSignature>(sleep(SECOND), eachThread(untilOk(limit(10, repeat(LOOK))))),
      checkers: [revisions((operation: Operation<MirrorSignature>) => evidenceOf(operation, keys))],
      open: (api, _process, runtime) => open(api, runtime, parsed),
    });
  },
};

/** The values of a thread are its own number plus multiples of the concurrency. */
type Memory = { readonly next: number; readonly head: number };

function traffic(options: Options, concurrency: number): Behaviour<MirrorSignature, Memory> {
  const { keys, deletes, compactions } = options;
  return {
    draw(memory, thread, random) {
      const { next, head } = memory;
      if (concurrency === 1 ? random.chance(0.5) : thread % 2 === 1) return { call: LOOK, memory };
      const draw = random.next();
      const key = `k${random.below(keys)}`;
      if (draw < compactions)
        return { call: { f: "compact", value: { revision: Math.max(1, head - random.below(3)) } }, memory };
      if (draw < compactions + deletes) return { call: { f: "delete", value: { key } }, memory };
      const value = thread + next * concurrency;
      return { call: { f: "put", value: { key, value } }, memory: { ...memory, next: next + 1 } };
    },
    learn(memory, event) {
      if (event.type !== "ok" || (event.f !== "put" && event.f !== "delete")) return memory;
      return { ...memory, head: event.value.revision };
    },
  };
}

function open(api: KvApi, runtime: Runtime, options: Options): Client<MirrorSignature> {
  const copy = new MirroredCopy(api, runtime, options);
  return {
    invoke: {
      put: ({ key, value }) =>
        attemptWrite(async () => {
          const { header } = await api.request({ kind: "put", key: PREFIX + key, value: String(value) });
          return ok({ revision: header.revision });
        }),
      delete: ({ key }) =>
        attemptWrite(async () => {
          const { header, deleted } = await api.request({ kind: "delete-range", key: PREFIX + key });
          return ok({ revision: header.revision, deleted: deleted > 0 });
        }),
      compact: ({ revision }) =>
        attemptWrite(async () => {
          await api.request({ kind: "compact", revision });
          return ok(null);
        }),
      look: () => attemptRead(async () => ok(await copy.look())),
    },
    close() {
      copy.close();
      api.close();
    },
  };
}

function evidenceOf(operation: Operation<MirrorSignature>, keys: readonly string[]): Evidence {
  const nothing: Evidence = { linearizable: true, revision: undefined, changes: [], sees: [] };
  switch (operation.f) {
    case "put": {
      const { key, value } = operation.input;
      return { ...nothing, revision: operation.output?.revision, changes: [{ key, value }] };
    }
    case "delete": {
      const revision = operation.output?.revision;
      if (operation.output?.deleted === false) return { ...nothing, revision };
      return { ...nothing, revision, changes: [{ key: operation.input.key, value: null }] };
    }
    case "compact":
      return nothing;
    case "look": {
      if (operation.output === undefined) return nothing;
      const { revision: at, entries } = operation.output;
      const held = new Map(entries.map((entry) => [entry.key, entry]));
      const sees = keys.map((key): Sight => ({ value: null, modRevision: 0, ...held.get(key), key, at }));
      // A copy may be old, but not wrong.
      return { linearizable: false, revision: at, changes: [], sees };
    }
  }
}
