/**
 * An administrator gives and takes rights to spans of a few keys; users read and write them in every way that a
 * request can be put, nested transactions and previous values included.
 *
 * Users are replaced by new ones now and then, so that a setting whose outcome is unknown does not blur the rest of
 * the run.
 */
import { z } from "zod";
import {
  type Access,
  authorizationChecker,
  type Deed,
  type RightsSignature,
  type Span,
} from "../checkers/authorization.ts";
import { ApiError, type KvApi, type KvRequest } from "../cluster/api.ts";
import type { AuthRequest, RequestOp, TxnRequest } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import type { Call, Outcome } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  keys: z.number().int().min(1).max(1_000).default(4),
  /** Users at a time. */
  users: z.number().int().min(1).max(1_000).default(3),
  /** Share of the operations that bring in a new user. */
  newcomers: z.number().min(0).max(1).default(0.02),
  /** Share of the operations that change rights. */
  changes: z.number().min(0).max(1).default(0.25),
});
type Options = z.infer<typeof Options>;

type Memory = {
  /** Whether authentication is on; others wait while one thread sees to it. */
  readonly setup: "due" | "under way" | "done";
  /** Users ever enrolled, and those in use with the spans for which they were given rights. */
  readonly enrolled: number;
  readonly users: readonly { readonly name: string; readonly spans: readonly Span[] }[];
};

export const rights: WorkloadFactory<KvApi> = {
  name: "rights",
  summary: "gives and takes rights to ranges of keys: users can do what they may, and nothing else",
  create({ options }) {
    const parsed = parseOptions("rights", Options, options);
    return untyped<RightsSignature, KvApi>({
      name: "rights",
      generator: stateful<RightsSignature, Memory>(
        { setup: "due", enrolled: 0, users: [] },
        behaviour(parsed),
      ),
      checkers: [authorizationChecker],
      open: (api) => new RightsClient(api),
    });
  },
};

function behaviour(options: Options): Behaviour<RightsSignature, Memory> {
  const { keys, users: most, newcomers, changes } = options;
  return {
    draw(memory, _thread, random, { time }) {
      if (memory.setup === "under way") return { until: time + 50 * MILLISECOND };
      if (memory.setup === "due")
        return { call: { f: "setup", value: null }, memory: { ...memory, setup: "under way" } };
      const { users, enrolled } = memory;
      const draw = random.next();
      if (users.length === 0 || draw < newcomers) {
        const user = `user${enrolled}`;
        return { call: { f: "enrol", value: { user } }, memory: { ...memory, enrolled: enrolled + 1 } };
      }
      const chosen = random.below(users.length);
      const { name, spans } = users[chosen] as Memory["users"][number];
      if (draw < newcomers + changes) {
        const call = drawChange(name, spans, keys, random);
        if (call.f !== "grant") return { call, memory };
        const { from, to } = call.value;
        const known = spans.some((span) => span.from === from && span.to === to);
        const after = known ? spans : [...spans, { from, to }];
        return { call, memory: { ...memory, users: users.with(chosen, { name, spans: after }) } };
      }
      return { call: { f: "act", value: { user: name, ...drawDeed(keys, random) } }, memory };
    },
    learn(memory, event, { random }) {
      if (event.type === "invoke") return memory;
      if (event.f === "setup") return { ...memory, setup: event.type === "ok" ? "done" : "due" };
      if (event.f !== "enrol" || event.type !== "ok") return memory;
      const { users } = memory;
      const newcomer = { name: event.value.user, spans: [] };
      if (users.length < most) return { ...memory, users: [...users, newcomer] };
      return { ...memory, users: users.with(random.fork("replaced").below(most), newcomer) };
    },
  };
}

function drawSpan(keys: number, random: Random): Span {
  const from = random.below(keys);
  return { from, to: random.between(from + 1, keys) };
}

function drawChange(
  user: string,
  spans: readonly Span[],
  keys: number,
  random: Random,
): Call<RightsSignature> {
  const draw = random.below(100);
  if (draw < 10) return { f: "suspend", value: { user } };
  if (draw < 25) return { f: "reinstate", value: { user } };
  if (draw < 60 && spans.length > 0) return { f: "revoke", value: { user, ...random.pick(spans) } };
  const access: Access = random.pick(["read", "write", "readwrite"]);
  return { f: "grant", value: { user, ...drawSpan(keys, random), access } };
}

/** What a deed asks for, given its interval of keys. Puts are of the first key alone. */
const WAYS: readonly (Pick<Deed, "how" | "access"> & {
  readonly request: (where: { readonly key: string; readonly rangeEnd: string }) => KvRequest;
})[] = [
  { how: "range", access: "read", request: (where) => ({ kind: "range", ...where }) },
  {
    how: "txn range",
    access: "read",
    request: (where) => txn([{ kind: "range", ...where }]),
  },
  {
    how: "nested range",
    access: "read",
    request: (where) => txn([txn([{ kind: "range", ...where }])]),
  },
  {
    how: "compare",
    access: "read",
    request: (where) => ({
      ...txn([]),
      compare: [{ ...where, target: "version", result: "greater", operand: 0 }],
    }),
  },
  { how: "put", access: "write", request: ({ key }) => ({ kind: "put", key, value: "" }) },
  { how: "nested put", access: "write", request: ({ key }) => txn([txn([{ kind: "put", key, value: "" }])]) },
  { how: "delete", access: "write", request: (where) => ({ kind: "delete-range", ...where }) },
  {
    how: "put with previous",
    access: "both",
    request: ({ key }) => ({ kind: "put", key, value: "", prevKv: true }),
  },
  {
    how: "delete with previous",
    access: "both",
    request: (where) => txn([{ kind: "delete-range", ...where, prevKv: true }]),
  },
];

function txn(success: readonly RequestOp[]): TxnRequest & { readonly kind: "txn" } {
  return { kind: "txn", compare: [], success, failure: [] };
}

function drawDeed(keys: number, random: Random): Deed {
  const { how, access } = random.pick(WAYS);
  const span = drawSpan(keys, random);
  return how.includes("put") ? { how, access, from: span.from, to: span.from + 1 } : { how, access, ...span };
}

const ROOT = "root";
/** How often a request is tried that was refused because rights have changed since its user logged in. */
const LOGINS = 3;

class RightsClient implements Client<RightsSignature> {
  readonly #api: KvApi;
  /** The auth revision of the last login, which goes stale whenever rights change. */
  #login: number | undefined;

  constructor(api: KvApi) {
    this.#api = api;
  }

  readonly invoke: Client<RightsSignature>["invoke"] = {
    setup: () =>
      this.#change(null, [
        { kind: "user-add", name: ROOT, password: "", noPassword: true },
        { kind: "user-grant-role", name: ROOT, role: ROOT },
        { kind: "auth-enable" },
      ]),
    enrol: ({ user }) =>
      this.#change({ user }, [
        { kind: "user-add", name: user, password: "", noPassword: true },
        { kind: "role-add", name: user },
        { kind: "user-grant-role", name: user, role: user },
      ]),
    grant: ({ user, access, ...span }) =>
      this.#change(null, [
        { kind: "role-grant-permission", name: user, permission: { type: access, ...interval(span) } },
      ]),
    revoke: ({ user, ...span }) =>
      this.#change(null, [{ kind: "role-revoke-permission", name: user, ...interval(span) }]),
    suspend: ({ user }) => this.#change(null, [{ kind: "user-revoke-role", name: user, role: user }]),
    reinstate: ({ user }) => this.#change(null, [{ kind: "user-grant-role", name: user, role: user }]),
    act: (deed) => attemptWrite(() => this.#act(deed)),
  };

  close(): void {
    this.#api.close();
  }

  /** All of it, whatever of it was done before. */
  #change<Out extends { readonly user: string } | null>(
    out: Out,
    requests: readonly AuthRequest[],
  ): Promise<Outcome<Out>> {
    return attemptWrite(async () => {
      for (const [i, request] of requests.entries())
        try {
          await this.#api.request(request, { user: ROOT, revision: 0 });
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          if (error.message.endsWith("already exists")) continue;
          // The steps before this one have been taken.
          throw i === 0 ? error : new ApiError(error.code, error.message, false);
        }
      return ok(out);
    });
  }

  async #act({
    user,
    ...deed
  }: RightsSignature["act"]["in"]): Promise<Outcome<{ readonly allowed: boolean }>> {
    const way = WAYS.find(({ how }) => how === deed.how);
    if (way === undefined) throw new TypeError(`nobody knows how to ${deed.how}`);
    for (let logins = 1; ; logins++) {
      this.#login ??= (await this.#api.request({ kind: "auth-status" })).revision;
      try {
        await this.#api.request(way.request(interval(deed)), { user, revision: this.#login });
        return ok({ allowed: true });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.code === "PERMISSION_DENIED") return ok({ allowed: false });
        if (error.message !== OLD_REVISION || logins === LOGINS) throw error;
        this.#login = undefined;
      }
    }
  }
}

const OLD_REVISION = "etcdserver: revision of auth store is old";

function interval({ from, to }: Span): { readonly key: string; readonly rangeEnd: string } {
  return { key: keyName(from), rangeEnd: keyName(to) };
}

function keyName(i: number): string {
  return `rights/${String(i).padStart(4, "0")}`;
}
