/**
 * Half of the threads stand for election, proclaim and resign; the others observe. The client is that of etcd's
 * election API: a key on a lease, a wait for all keys created earlier, writes guarded by the own key's revision.
 *
 * A leader renews its lease at irregular times and now and then sleeps longer than it lives.
 */
import { z } from "zod";
import { type ElectionSignature, electionChecker } from "../checkers/election.ts";
import type { KvApi } from "../cluster/api.ts";
import { limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Nanos } from "../src/history/op.ts";
import { MILLISECOND, SECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { ElectionClient } from "./election-client.ts";
import { parseOptions } from "./options.ts";
import { patience } from "./patience.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Seconds a lease lives without renewal. */
  ttl: z.number().int().min(1).max(3_600).default(2),
  /** A candidate gives up waiting after this time, and after three quarters of the plan's timeout. */
  patienceMs: z.number().positive().max(3_600_000).default(3_000),
  /** Most steps (proclamations and renewals) of one term. */
  steps: z.number().int().min(1).max(1_000).default(4),
  /** Longest time that one operation follows the leader; keep it below the plan's timeout. */
  maxLifetimeMs: z.number().positive().max(3_600_000).default(900),
  /** Most that servers' clocks may deviate over one ttl; see the checker. */
  clockSlackMs: z.number().min(0).max(3_600_000).default(500),
});
type Options = z.infer<typeof Options>;

const OBSERVE: Call<ElectionSignature> = { f: "observe", value: null };

/** What one thread is about to do. Its values are its own number plus multiples of the concurrency. */
type Turn = {
  readonly values: number;
  /** Steps left in the term; undefined for who does not lead. */
  readonly left: number | undefined;
  /** Not before. */
  readonly due: Nanos;
};

export const election: WorkloadFactory<KvApi> = {
  name: "election",
  summary:
    "stands for election, proclaims, resigns and observes: one leader at a time, one per term of office",
  create({ options, concurrency, timeout }) {
    const parsed = parseOptions("election", Options, options);
    const clockSlack = Math.round(parsed.clockSlackMs * MILLISECOND);
    return untyped<ElectionSignature, KvApi>({
      name: "election",
      generator: eachThread(
        stateful<ElectionSignature, Turn>({ values: 0, left: undefined, due: 0 }, turns(parsed, concurrency)),
      ),
      final: eachThread(untilOk(limit(10, repeat(OBSERVE)))),
      checkers: [electionChecker({ clockSlack })],
      open: (api, _process, runtime) =>
        new ElectionClient(api, runtime, patience(parsed.patienceMs, timeout)),
    });
  },
};

function turns(
  { ttl, steps, maxLifetimeMs }: Options,
  concurrency: number,
): Behaviour<ElectionSignature, Turn> {
  return {
    draw(turn, thread, random, { time }) {
      if (time < turn.due) return { until: turn.due };
      const value = thread + turn.values * concurrency;
      const memory = { ...turn, values: turn.values + 1 };
      if (turn.left === undefined) {
        const stands = concurrency === 1 ? random.chance(0.5) : thread % 2 === 0;
        if (stands) return { call: { f: "campaign", value: { ttl, value } }, memory };
        if (random.chance(0.7)) return { call: OBSERVE, memory: turn };
        const lifetime = Math.round(random.next() * maxLifetimeMs * MILLISECOND);
        return { call: { f: "follow", value: { lifetime } }, memory: turn };
      }
      if (turn.left === 0)
        return { call: { f: "resign", value: null }, memory: { ...turn, left: undefined } };
      const left = turn.left - 1;
      if (random.chance(0.4)) return { call: { f: "keepalive", value: null }, memory: { ...turn, left } };
      return { call: { f: "proclaim", value: { value } }, memory: { ...memory, left } };
    },
    learn(turn, event, { time, random }) {
      if (event.type === "invoke") return turn;
      if (event.type === "info") return { ...turn, left: undefined };
      const draw = random.fork("pause");
      if (event.f === "campaign" && event.type === "ok")
        return { ...turn, left: draw.between(1, steps), due: time + draw.below(100 * MILLISECOND) };
      if (turn.left === undefined) return turn;
      // Mostly well inside the lease; now and then past its end.
      const pause = draw.chance(0.03) ? 2 * ttl * SECOND : 100 * MILLISECOND;
      return { ...turn, due: time + draw.below(pause) };
    },
  };
}
