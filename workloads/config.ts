/** Updates a configuration of several parts while others read and follow it: nobody ever holds a mix of versions. */
import { z } from "zod";
import { type ConfigSignature, configChecker, type Part } from "../checkers/config.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, RequestOp } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import { limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Nanos, Outcome } from "../src/history/op.ts";
import { MILLISECOND, type Runtime } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { listen } from "./listening.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Parts of the configuration, a key for each. */
  parts: z.number().int().min(1).max(50).default(5),
  /** Share of the operations that update. */
  updates: z.number().min(0).max(1).default(0.3),
  /** Share of the operations that follow the changes. */
  follows: z.number().min(0).max(1).default(0.2),
  /** Whether an update is one transaction. If not, it puts one part after another. */
  atomic: z.boolean().default(true),
  /** Longest time that one operation follows; keep it below the plan's timeout. */
  maxLifetimeMs: z.number().positive().max(3_600_000).default(900),
});

const PREFIX = "config/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "config0";
const READ: Call<ConfigSignature> = { f: "read", value: null };
const MISSING: Part = { version: 0, token: -1 };

export const config: WorkloadFactory<KvApi> = {
  name: "config",
  summary: "updates a configuration of several parts in use: nobody ever sees parts of two versions",
  create({ options }) {
    const { parts, updates, follows, atomic, maxLifetimeMs } = parseOptions("config", Options, options);
    return untyped<ConfigSignature, KvApi>({
      name: "config",
      generator: stateful<ConfigSignature, number>(0, {
        draw(next, _thread, random) {
          if (random.chance(updates))
            return { call: { f: "update", value: { token: next } }, memory: next + 1 };
          if (!random.chance(follows / Math.max(follows, 1 - updates))) return { call: READ, memory: next };
          const lifetime = Math.round(random.next() * maxLifetimeMs * MILLISECOND);
          return { call: { f: "follow", value: { lifetime } }, memory: next };
        },
      }),
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [configChecker],
      open: (api, _process, runtime) => new ConfigClient(api, runtime, parts, atomic),
    });
  },
};

class ConfigClient implements Client<ConfigSignature> {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  readonly #parts: readonly string[];
  readonly #atomic: boolean;

  constructor(api: KvApi, runtime: Runtime, parts: number, atomic: boolean) {
    this.#api = api;
    this.#runtime = runtime;
    this.#atomic = atomic;
    this.#parts = Array.from({ length: parts }, (_, i) => PREFIX + String(i).padStart(2, "0"));
  }

  readonly invoke: Client<ConfigSignature>["invoke"] = {
    update: ({ token }) => this.#update(token),
    read: () => attemptRead(async () => ok(this.#view((await this.#look()).held))),
    follow: ({ lifetime }, { signal }) => this.#follow(lifetime, signal),
  };

  close(): void {
    this.#api.close();
  }

  async #look(): Promise<{ readonly revision: number; readonly held: Map<string, KeyValue> }> {
    const { kvs, header } = await this.#api.request({ kind: "range", key: PREFIX, rangeEnd: PREFIX_END });
    return { revision: header.revision, held: new Map(kvs.map((kv) => [kv.key, kv])) };
  }

  #view(held: ReadonlyMap<string, KeyValue>): Part[] {
    return this.#parts.map((part) => {
      const kv = held.get(part);
      return kv === undefined ? MISSING : (JSON.parse(kv.value) as Part);
    });
  }

  /** A definite failure if the configuration changed between the read and the write. */
  async #update(token: number): Promise<Outcome<{ readonly version: number }>> {
    const before = await attemptRead(async () => {
      const first = (await this.#look()).held.get(this.#parts[0] as string);
      const { version } = first === undefined ? MISSING : (JSON.parse(first.value) as Part);
      return ok({ version, revision: first?.modRevision ?? 0 });
    });
    if (before.type !== "ok") return before;
    const version = before.value.version + 1;
    const value = JSON.stringify({ version, token } satisfies Part);
    const [first, ...others] = this.#parts.map((key) => ({ kind: "put", key, value }) as const);
    const made = await attemptWrite(async () => {
      const { succeeded } = await this.#api.request({
        kind: "txn",
        // A key that does not exist has modification revision 0.
        compare: [
          {
            key: this.#parts[0] as string,
            target: "mod",
            result: "equal",
            operand: before.value.revision,
          },
        ],
        success: this.#atomic ? [first as RequestOp, ...others] : [first as RequestOp],
        failure: [],
      });
      return succeeded ? ok({ version }) : { type: "fail", error: "the configuration changed meanwhile" };
    });
    if (this.#atomic || made.type !== "ok") return made;
    const rest = await attemptWrite(async () => {
      for (const put of others) await this.#api.request(put);
      return made;
    });
    // Some of it took effect, whatever became of the rest.
    return rest.type === "fail" ? { type: "info", error: rest.error } : rest;
  }

  #follow(lifetime: Nanos, signal: AbortSignal): Promise<Outcome<ConfigSignature["follow"]["out"]>> {
    return attemptRead(async () => {
      const { held, revision } = await this.#look();
      const views = [this.#view(held)];
      await listen(this.#runtime, lifetime, signal, (stop) =>
        this.#api.watch(
          { key: PREFIX, rangeEnd: PREFIX_END, startRevision: revision + 1 },
          {
            response: ({ events }) => {
              if (events.length === 0) return;
              for (const { type, kv } of events) if (type === "put") held.set(kv.key, kv);
              views.push(this.#view(held));
            },
            ended: stop,
          },
        ),
      );
      // What comes later is no longer listened to.
      return ok([...views]);
    });
  }
}
