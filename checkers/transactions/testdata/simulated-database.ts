/**
 * A database with a given isolation, for tests and measurements: what a checker must find there, and what not, is
 * known. Clients run in a closed loop; every transaction has a snapshot, reads from it, and at its end either commits
 * at once or fails.
 */
import { type Built, ColumnsBuilder } from "../../../src/history/columns.ts";
import { History } from "../../../src/history/history.ts";
import type { Json, Op } from "../../../src/history/op.ts";
import { type Random, seededRandom } from "../../../src/runtime/random.ts";
import type { MicroOp, TransactionSignature } from "../transaction.ts";

/**
 * - `strict-serializable`: a transaction fails if anything it read or wrote has changed since its snapshot.
 * - `snapshot-isolation`: it fails if anything it wrote has changed.
 * - `stale-snapshot`: the same, with snapshots from the past (generalised, or weak, snapshot isolation).
 * - `parallel-snapshot`: the same, but each of two sites sees commits of the other only later.
 * - `prefix`: a snapshot from the past, and no check of any kind.
 */
export type Isolation =
  | "strict-serializable"
  | "snapshot-isolation"
  | "stale-snapshot"
  | "parallel-snapshot"
  | "prefix";

export interface DatabaseOptions {
  readonly data: "list-append" | "rw-register";
  readonly isolation: Isolation;
  readonly transactions: number;
  readonly seed: number;
  /** Keys in use at a time. */
  readonly keys: number;
  /** A key is replaced by a fresh one after so many. */
  readonly writesPerKey: number;
  readonly concurrency: number;
  /** Share of transactions whose outcome stays unknown. */
  readonly lost?: number;
}

/** What was committed to a key: values, and when each was. */
interface Item {
  readonly values: number[];
  readonly commits: number[];
  /** The site that committed each. */
  readonly sites: number[];
}

interface Running {
  readonly asked: readonly MicroOp[];
  readonly answer: readonly MicroOp[];
  /** Commits up to this one are visible. */
  readonly snapshot: number;
}

/** How far a snapshot from the past may be behind, and one site behind the other, in commits. */
const LAG = 10;

/** How often a transaction goes on for a while when it could end. */
const PATIENCE = 0.6;

export function simulateDatabase(options: DatabaseOptions): History<TransactionSignature> {
  return new History(new Database(options).run()) as unknown as History<TransactionSignature>;
}

class Database {
  readonly #options: DatabaseOptions;
  readonly #random: Random;
  readonly #builder = new ColumnsBuilder();
  readonly #items: Item[] = [];
  /** Keys in use, and how many values have been given out for each key. */
  readonly #pool: number[] = [];
  readonly #written: number[] = [];
  #events = 0;
  #commits = 0;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    for (let i = 0; i < options.keys; i++) this.#pool.push(this.#fresh());
  }

  run(): Built {
    const { transactions, concurrency, lost = 0 } = this.#options;
    const random = this.#random;
    const running: (Running | undefined)[] = Array.from({ length: concurrency }, () => undefined);
    const processes = Array.from({ length: concurrency }, (_, i) => i);
    let started = 0;
    let open = 0;
    while (started < transactions || open > 0) {
      const thread = random.below(concurrency);
      const process = processes[thread] as number;
      const one = running[thread];
      if (one === undefined) {
        if (started === transactions) continue;
        started++;
        open++;
        const begun = this.#begin(thread);
        running[thread] = begun;
        this.#record({ process, type: "invoke", value: begun.asked as unknown as Json });
        continue;
      }
      if (random.chance(PATIENCE)) continue;
      open--;
      running[thread] = undefined;
      const unknown = random.chance(lost);
      const committed = (!unknown || random.chance(0.5)) && this.#commit(one, thread);
      if (unknown) {
        this.#record({ process, type: "info", value: one.asked as unknown as Json, error: "timeout" });
        processes[thread] = process + concurrency;
      } else if (committed) this.#record({ process, type: "ok", value: one.answer as unknown as Json });
      else this.#record({ process, type: "fail", value: one.asked as unknown as Json, error: "conflict" });
    }
    return this.#builder.build();
  }

  #record(fields: object): void {
    const index = this.#events++;
    this.#builder.add({ index, time: index, f: "txn", ...fields } as Op);
  }

  #fresh(): number {
    this.#items.push({ values: [], commits: [], sites: [] });
    this.#written.push(0);
    return this.#items.length - 1;
  }

  #begin(thread: number): Running {
    const random = this.#random;
    const { data, isolation } = this.#options;
    const old = isolation === "prefix" || isolation === "stale-snapshot";
    const snapshot = Math.max(0, this.#commits - (old ? random.below(LAG) : 0));
    const asked: MicroOp[] = [];
    const answer: MicroOp[] = [];
    for (let i = random.between(1, 5); i > 0; i--) {
      const slot = random.below(this.#pool.length);
      const key = this.#pool[slot] as number;
      if (random.chance(0.5)) {
        asked.push(["r", key, null]);
        answer.push(["r", key, this.#read(key, snapshot, thread, answer)]);
        continue;
      }
      const value = (this.#written[key] as number) + 1;
      this.#written[key] = value;
      if (value >= this.#options.writesPerKey) this.#pool[slot] = this.#fresh();
      const op: MicroOp = [data === "list-append" ? "append" : "w", key, value];
      asked.push(op);
      answer.push(op);
    }
    return { asked, answer, snapshot };
  }

  #read(key: number, snapshot: number, thread: number, before: readonly MicroOp[]): Json {
    const { values, commits, sites } = this.#items[key] as Item;
    const own = before.flatMap(([f, k, value]) => (f !== "r" && k === key ? [value as number] : []));
    let visible: number[];
    if (this.#options.isolation === "parallel-snapshot") {
      visible = values.filter((_, i) =>
        this.#sees(thread, snapshot, commits[i] as number, sites[i] as number),
      );
    } else {
      let length = commits.length;
      while (length > 0 && (commits[length - 1] as number) > snapshot) length--;
      visible = values.slice(0, length);
    }
    if (this.#options.data === "list-append") return own.length === 0 ? visible : [...visible, ...own];
    return own.at(-1) ?? visible.at(-1) ?? null;
  }

  /** Sites see their own commits at once, those of the other after a while. */
  #sees(thread: number, snapshot: number, commit: number, site: number): boolean {
    return commit <= (site === thread % 2 ? snapshot : snapshot - LAG);
  }

  #commit({ answer, snapshot }: Running, thread: number): boolean {
    const { isolation } = this.#options;
    for (const [f, key] of answer) {
      if (isolation === "prefix") break;
      if (f === "r" && isolation !== "strict-serializable") continue;
      const { commits, sites } = this.#items[key as number] as Item;
      if (commits.length === 0) continue;
      const fits =
        isolation === "parallel-snapshot"
          ? commits.every((commit, i) => this.#sees(thread, snapshot, commit, sites[i] as number))
          : (commits.at(-1) as number) <= snapshot;
      if (!fits) return false;
    }
    const commit = ++this.#commits;
    for (const [f, key, value] of answer) {
      if (f === "r") continue;
      const item = this.#items[key as number] as Item;
      item.values.push(value as number);
      item.commits.push(commit);
      item.sites.push(thread % 2);
    }
    return true;
  }
}
