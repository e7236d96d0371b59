/**
 * Synthetic histories of registers and of keys that are appended to: a closed loop with exactly as many operations in
 * flight as there are clients, each taking effect at a random instant of its interval. An operation of unknown
 * outcome lasts ten times as long, and its process is replaced; half of them take effect in time, a quarter later,
 * a quarter never.
 */
import { ColumnsBuilder } from "../src/history/columns.ts";
import { History } from "../src/history/history.ts";
import type { Json } from "../src/history/op.ts";
import { type Random, seededRandom } from "../src/runtime/random.ts";

export interface Shape {
  /** reg: half reads, a quarter writes, a quarter compare-and-sets. kv: half gets, a tenth puts, the rest appends. */
  readonly kind: "reg" | "kv";
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Share of operations of unknown outcome. */
  readonly unknown: number;
  /** If given, registers are written so few values, again and again, that only a search can tell. */
  readonly values?: number;
  /** If given, the first read after this share of the operations answers a value overwritten long before. */
  readonly stale?: number;
  readonly seed: number;
}

type Kind = "read" | "get" | "write" | "put" | "cas" | "append";

interface Flying {
  readonly process: number;
  readonly key: number;
  readonly kind: Kind;
  readonly input: Json;
  readonly lost: boolean;
  readonly ends: number;
  /** `Infinity`: never, or not any more. */
  effect: number;
  output: Json;
}

/** A value that a key once had, and how many operations had begun when it was overwritten. */
interface Past {
  readonly value: Json;
  readonly until: number;
}

const LATENCY = 1_000_000;

export function closedLoop(shape: Shape): History {
  return new Loop(shape).history();
}

class Loop {
  readonly #shape: Shape;
  readonly #random: Random;
  readonly #builder = new ColumnsBuilder();
  readonly #names: readonly string[];
  readonly #states: Json[];
  /** By key, for the one stale read. */
  readonly #past: Past[][];
  readonly #late: Flying[] = [];
  #begun = 0;
  #events = 0;
  #processes = 0;
  #stale: boolean;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#random = seededRandom(shape.seed);
    this.#names = Array.from({ length: shape.keys }, (_, key) => `k${key}`);
    this.#states = this.#names.map(() => (shape.kind === "reg" ? null : ""));
    this.#past = this.#names.map(() => []);
    this.#stale = shape.stale === undefined;
  }

  history(): History {
    const flying: (Flying | undefined)[] = [];
    for (let i = 0; i < this.#shape.clients; i++) flying.push(this.#invoke(0, this.#processes++));
    for (let open = flying.length; open > 0; ) {
      let slot = 0;
      let time = Number.POSITIVE_INFINITY;
      flying.forEach((operation, i) => {
        const next =
          operation === undefined ? Number.POSITIVE_INFINITY : Math.min(operation.effect, operation.ends);
        if (next < time) [slot, time] = [i, next];
      });
      const late = this.#late.find(({ effect }) => effect < time);
      if (late !== undefined) {
        this.#late.splice(this.#late.indexOf(late), 1);
        this.#takeEffect(late);
        continue;
      }
      const operation = flying[slot] as Flying;
      if (operation.effect === time && operation.effect < operation.ends) {
        this.#takeEffect(operation);
        operation.effect = Number.POSITIVE_INFINITY;
        continue;
      }
      this.#complete(operation);
      const process = operation.lost ? this.#processes++ : operation.process;
      flying[slot] = this.#begun < this.#shape.operations ? this.#invoke(time, process) : undefined;
      if (flying[slot] === undefined) open--;
    }
    return new History(this.#builder.build());
  }

  #invoke(now: number, process: number): Flying {
    const random = this.#random;
    const key = random.below(this.#shape.keys);
    const id = ++this.#begun;
    const lost = random.chance(this.#shape.unknown);
    const ends = now + (lost ? 10 : 1) * (LATENCY / 2 + random.below(LATENCY)) + random.below(1000) / 1000;
    let effect = now + (ends - now) * ((1 + random.below(998)) / 1000);
    const fate = random.below(4);
    if (lost && fate === 0) effect = Number.POSITIVE_INFINITY;
    const [kind, input] = this.#call(key, id);
    const operation = { process, key, kind, input, lost, ends, effect, output: null };
    if (lost && fate === 1) {
      this.#late.push({ ...operation, effect: ends + random.below(10 * LATENCY) });
      operation.effect = Number.POSITIVE_INFINITY;
    }
    this.#record(operation, now, "invoke", input);
    return operation;
  }

  #call(key: number, id: number): [Kind, Json] {
    const drawn = this.#random.below(20);
    if (this.#shape.kind === "kv") {
      if (drawn < 10) return ["get", null];
      return drawn < 12 ? ["put", `p${id};`] : ["append", `a${id};`];
    }
    if (drawn < 10) return ["read", null];
    const { values } = this.#shape;
    const value = values === undefined ? id : this.#random.below(values);
    return drawn < 15 ? ["write", value] : ["cas", [this.#states[key] as Json, value]];
  }

  #takeEffect(operation: Flying): void {
    const { key, kind, input } = operation;
    const state = this.#states[key] as Json;
    switch (kind) {
      case "read":
      case "get":
        operation.output = this.#read(key);
        return;
      case "write":
      case "put":
        this.#set(key, input);
        return;
      case "append":
        this.#set(key, `${state as string}${input as string}`);
        return;
      case "cas": {
        const [from, to] = input as readonly [Json, Json];
        operation.output = from === state;
        if (from === state) this.#set(key, to);
      }
    }
  }

  #set(key: number, value: Json): void {
    const { stale = 1, operations } = this.#shape;
    // What the one stale read could show; of the rest, nothing need be known.
    if (!this.#stale && this.#begun > operations * (stale - 0.5))
      this.#past[key]?.push({ value: this.#states[key] as Json, until: this.#begun });
    this.#states[key] = value;
  }

  #read(key: number): Json {
    const { stale = 1, operations, clients } = this.#shape;
    if (this.#stale || this.#begun < operations * stale) return this.#states[key] as Json;
    const old = this.#past[key]?.findLast(({ until }) => until < this.#begun - 30 * clients);
    if (old === undefined) return this.#states[key] as Json;
    this.#stale = true;
    return old.value;
  }

  #complete({ ...operation }: Flying): void {
    const { lost, ends, input, output } = operation;
    this.#record(operation, ends, lost ? "info" : "ok", lost ? input : output);
  }

  #record(operation: Flying, time: number, type: "invoke" | "ok" | "info", value: Json): void {
    const fields = {
      index: this.#events++,
      time: Math.round(time),
      process: operation.process,
      f: operation.kind,
      value,
      key: this.#names[operation.key] as string,
    };
    this.#builder.add(type === "info" ? { ...fields, type, error: "timeout" } : { ...fields, type });
  }
}
