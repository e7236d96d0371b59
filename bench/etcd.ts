/**
 * What it costs to judge a long history of etcd's key-value operations by its revisions: 100 clients, 1,000 keys; 45 %
 * reads (of a key, of ten, at an old revision, serializable), puts, deletes of a key and of ten, transactions of
 * several operations behind a guard, leases. CPU-seconds of all threads, without making the history, and the peak
 * memory of the whole process, each case in a process of its own. No peer decides such histories at this length:
 * etcd's own tests hand them to Porcupine, some thousand operations at a time.
 *
 *   npm run bench:etcd [-- OPERATIONS]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { EtcdEntry, EtcdOperation, EtcdResult, EtcdSignature } from "../checkers/etcd/signature.ts";
import { etcdChecker } from "../checkers/etcd.ts";
import { Budget } from "../src/checker.ts";
import { ColumnsBuilder } from "../src/history/columns.ts";
import { History } from "../src/history/history.ts";
import type { Op } from "../src/history/op.ts";
import { type Random, seededRandom } from "../src/runtime/random.ts";

const CLIENTS = 100;
const KEYS = 1_000;
const STEPS = 20_000_000;

const REFUSED = "refused";

interface Case {
  readonly operations: number;
  /** Share of operations of which nothing more is heard; half of them take effect. */
  readonly unknown: number;
  /** Whether one read near the end shows a value that was overwritten. */
  readonly stale: boolean;
}

const nameOf = (i: number): string => `key/${String(i).padStart(4, "0")}`;

/** One copy, fast enough for millions of operations. */
class Copy {
  revision = 1;
  readonly #random: Random;
  readonly #entries: (EtcdEntry | undefined)[] = new Array(KEYS).fill(undefined);
  /** What each key was before its last change. */
  readonly #before: (EtcdEntry | undefined)[] = new Array(KEYS).fill(undefined);
  readonly #leases: string[] = [];
  #value = 0;
  #changed = false;

  constructor(random: Random) {
    this.#random = random;
  }

  draw(): { readonly f: keyof EtcdSignature; readonly value: unknown } {
    const random = this.#random;
    const key = nameOf(random.below(KEYS));
    const kind = random.below(100);
    if (kind < 30) return { f: "range", value: { key } };
    if (kind < 38) return { f: "range", value: this.#ten() };
    if (kind < 45) return { f: "range", value: { key, serializable: true } };
    if (kind < 70) return { f: "put", value: { key, value: this.#value++ } };
    if (kind < 76) return { f: "delete", value: { key } };
    if (kind < 77) return { f: "delete", value: this.#ten() };
    if (kind < 79) return { f: "grant", value: String(this.#value++) };
    const lease = this.#leases[random.below(this.#leases.length)];
    if (kind < 84 && lease !== undefined) return { f: "put", value: { key, value: this.#value++, lease } };
    if (kind < 85 && lease !== undefined) return { f: "revoke", value: lease };
    const guarded = random.below(KEYS);
    const operand = this.#entries[guarded]?.modRevision ?? 0;
    const success: EtcdOperation[] = [
      { kind: "put", key: nameOf(guarded), value: this.#value++ },
      { kind: "range", ...this.#ten() },
      { kind: "delete", key: nameOf((guarded + 1) % KEYS) },
    ];
    const compare = [{ key: nameOf(guarded), target: "mod", operator: "=", operand }];
    return { f: "txn", value: { compare, success, failure: [{ kind: "range", key }] } };
  }

  /** Undefined: refused. */
  apply(f: keyof EtcdSignature, value: never): unknown {
    const lease = f === "revoke" ? value : f === "put" ? (value as { lease?: string }).lease : undefined;
    if (lease !== undefined && !this.#leases.includes(lease)) return undefined;
    this.#changed = false;
    let answer: object = {};
    if (f === "grant") this.#leases.push(value);
    else if (f === "revoke") this.#revoke(value);
    else if (f === "txn") answer = this.#transact(value);
    else {
      const { kind: _, ...result } = this.#step({ kind: f, ...(value as object) } as never);
      answer = result;
    }
    if (this.#changed) this.revision++;
    return { revision: this.revision, ...answer };
  }

  /** An answer that was right a moment ago, if there is one. */
  stale(key: string): EtcdEntry | undefined {
    return this.#before[Number(key.slice(4))];
  }

  #ten() {
    const from = this.#random.below(KEYS - 10);
    return { key: nameOf(from), end: nameOf(from + 10) };
  }

  #transact({ compare, success, failure }: never): object {
    const [{ key, operand }] = compare as [{ key: string; operand: number }];
    const succeeded = (this.#entries[Number((key as string).slice(4))]?.modRevision ?? 0) === operand;
    const branch = (succeeded ? success : failure) as readonly EtcdOperation[];
    return { succeeded, results: branch.map((operation) => this.#step(operation)) };
  }

  #step(operation: EtcdOperation): EtcdResult {
    if (operation.kind === "txn") throw new TypeError("there are no nested transactions here");
    const from = Number(operation.key.slice(4));
    if (operation.kind === "put") {
      const before = this.#entries[from];
      const { createRevision = this.revision + 1, version = 0 } = before ?? {};
      const modRevision = this.revision + 1;
      const { key, value, lease = "" } = operation;
      this.#set(from, { key, value, createRevision, modRevision, version: version + 1, lease });
      return { kind: "put" };
    }
    const to = "end" in operation && operation.end !== undefined ? Number(operation.end.slice(4)) : from + 1;
    const entries: EtcdEntry[] = [];
    for (let i = from; i < to; i++)
      if (this.#entries[i] !== undefined) entries.push(this.#entries[i] as EtcdEntry);
    if (operation.kind === "range") return { kind: "range", entries, count: entries.length };
    for (const { key } of entries) this.#set(Number(key.slice(4)), undefined);
    return { kind: "delete", deleted: entries.length };
  }

  #set(i: number, entry: EtcdEntry | undefined): void {
    this.#before[i] = this.#entries[i];
    this.#entries[i] = entry;
    this.#changed = true;
  }

  #revoke(lease: string): void {
    this.#leases.splice(this.#leases.indexOf(lease), 1);
    for (let i = 0; i < KEYS; i++) if (this.#entries[i]?.lease === lease) this.#set(i, undefined);
  }
}

/** Always as many operations under way as there are clients; each takes effect at some moment in between. */
function historyOf({ operations, unknown, stale }: Case): History<EtcdSignature> {
  const random = seededRandom(1);
  const copy = new Copy(random);
  const builder = new ColumnsBuilder();
  let events = 0;
  let spoil = stale ? Math.floor(0.9 * operations) : Number.POSITIVE_INFINITY;
  const record = (fields: object) =>
    builder.add({ index: events, time: 1000 * events++, ...fields } as unknown as Op);
  const clients = Array.from({ length: CLIENTS }, (_, process) => ({
    process,
    call: undefined as ReturnType<Copy["draw"]> | undefined,
    answer: undefined as unknown,
  }));
  let processes = CLIENTS;
  for (let made = 0, open = 0; made < operations || open > 0; ) {
    const client = clients[random.below(CLIENTS)] as (typeof clients)[number];
    const { process, call } = client;
    if (call === undefined) {
      if (made === operations) continue;
      made++;
      open++;
      client.call = copy.draw();
      record({ process, type: "invoke", ...client.call });
    } else if (client.answer === undefined && random.chance(1 - unknown / 2))
      client.answer = copy.apply(call.f, call.value as never) ?? REFUSED;
    else if (client.answer === undefined || random.chance(unknown / 2)) {
      record({ process, type: "info", ...call, error: "timeout" });
      Object.assign(client, { process: processes++, call: undefined, answer: undefined });
      open--;
    } else if (client.answer === REFUSED) {
      record({ process, type: "fail", ...call, error: "etcdserver: requested lease not found" });
      Object.assign(client, { call: undefined, answer: undefined });
      open--;
    } else {
      let value = client.answer;
      const key = (call.value as { key?: string }).key;
      if (made > spoil && call.f === "range" && key !== undefined && !("end" in (call.value as object))) {
        const old = copy.stale(key);
        if (
          old !== undefined &&
          old.modRevision !== (value as { entries: EtcdEntry[] }).entries[0]?.modRevision
        ) {
          value = { revision: copy.revision, entries: [old], count: 1 };
          spoil = Number.POSITIVE_INFINITY;
        }
      }
      record({ process, type: "ok", f: call.f, value });
      Object.assign(client, { call: undefined, answer: undefined });
      open--;
    }
  }
  return new History<EtcdSignature>(builder.build());
}

function measure(one: Case): void {
  const history = historyOf(one);
  const before = process.cpuUsage();
  const { validity, reason, anomalies, evidence } = etcdChecker().check(history, new Budget(STEPS));
  const { user, system } = process.cpuUsage(before);
  const expected = one.stale ? "invalid" : "valid";
  if (validity !== expected)
    throw new Error(`${validity} and not ${expected}: ${reason} ${anomalies[0]?.explanation}`);
  const witness =
    anomalies[0] === undefined
      ? ""
      : `, ${anomalies[0].name}, witness of ${anomalies[0].witness.length} events`;
  const peak = Math.round(process.resourceUsage().maxRSS / 1024);
  const { revisions, filled } = evidence as { readonly revisions: number; readonly filled: number };
  console.log(
    `${((user + system) / 1e6).toFixed(2)} s, ${peak} MB, ${validity}${witness}; ${revisions} revisions, ${filled} of them nobody's`,
  );
}

const [argument = "1000000"] = process.argv.slice(2);
if (argument.startsWith("{")) measure(JSON.parse(argument) as Case);
else {
  const operations = Number(argument);
  if (!Number.isSafeInteger(operations) || operations < 1000) {
    console.error(`OPERATIONS is a whole number of at least 1000, not ${argument}`);
    process.exit(254);
  }
  for (const unknown of [0, 0.01, 0.1])
    for (const stale of [false, true]) {
      const child = spawnSync(
        process.execPath,
        [fileURLToPath(import.meta.url), JSON.stringify({ operations, unknown, stale })],
        { encoding: "utf8" },
      );
      const told = child.status === 0 ? child.stdout.trim() : `failed: ${child.stderr.trim()}`;
      console.log(
        `${operations} operations, ${unknown * 100} % unknown, ${stale ? "one stale read" : "valid"}\n    ${told}`,
      );
    }
}
