/** Cycles in words: one sentence for each step, which says why the one transaction came before the other. */
import type { Json } from "../../src/history/op.ts";
import { code, kindOf, PROCESS, REALTIME, RW, RW_PREDICATE, WR, WW_VIEW } from "./dependencies.ts";
import type { Digraph } from "./digraph.ts";
import type { Discovery } from "./discoveries.ts";
import type { Lists } from "./lists.ts";
import type { Registers } from "./registers.ts";
import type { CycleEdge } from "./shortest.ts";
import { FAIL, NONE, type TransactionTable } from "./table.ts";
import { type VersionOrder, whyBefore } from "./versions.ts";
import { eventOf, show, showTransaction, whoRan } from "./wording.ts";

/** Why the first of two transactions, which have these names, came before the second. */
export type Reason = (edge: CycleEdge, from: string, to: string) => string;

export function tellCycle(
  table: TransactionTable,
  edges: readonly CycleEdge[],
  shortest: boolean,
  reason: Reason,
): Omit<Discovery, "name"> {
  const names = new Map(edges.map(({ from }, i) => [from, `T${i + 1}`]));
  const nameOf = (t: number): string => names.get(t) as string;
  const who = edges.map(
    ({ from }) => `${nameOf(from)} is of ${whoRan(table, from)}: ${showTransaction(table, from)}.`,
  );
  const steps = edges.map((edge) => {
    const [from, to] = [nameOf(edge.from), nameOf(edge.to)];
    return {
      from,
      to,
      text: `${from} came before ${to}: ${orderReason(table, edge, from, to) ?? reason(edge, from, to)}.`,
    };
  });
  const alias = commonName(edges);
  const ending = [
    ...(alias === undefined ? [] : [`This is ${alias}.`]),
    ...(shortest ? [] : ["There may be a shorter cycle; the search for it ran out of steps."]),
  ];
  return {
    witness: witnessOf(table, edges),
    explanation: [...who, ...steps.map(({ text }) => text), ...ending].join(" "),
    cycle: {
      transactions: edges.map(({ from }) => ({ name: nameOf(from), event: eventOf(table, from) })),
      steps: edges.map((edge, i) => ({
        ...(steps[i] as { from: string; to: string; text: string }),
        type: typeOf(edge.code),
        ...(edge.key === NONE ? {} : { key: table.keys[edge.key] as Json }),
      })),
    },
  };
}

/** What a step is called in the literature. */
function typeOf(edge: number): string {
  if (edge === PROCESS) return "process";
  if (edge === REALTIME) return "realtime";
  const kind = kindOf(edge);
  return kind === WR ? "wr" : kind >= RW ? "rw" : "ww";
}

function orderReason(
  table: TransactionTable,
  { from, to, code: edge }: CycleEdge,
  a: string,
  b: string,
): string | undefined {
  if (edge === PROCESS) return `process ${table.process[from]} ran ${a} before ${b}`;
  if (edge !== REALTIME) return undefined;
  return `${a} had ended (event ${table.completed[from]}) before ${b} began (event ${table.invoked[to]})`;
}

/** The event that shows what each did; and where time counts, when one ended and the other began. */
function witnessOf(table: TransactionTable, edges: readonly CycleEdge[]): number[] {
  return edges.flatMap(({ from, to, code: edge }) =>
    edge === REALTIME
      ? [eventOf(table, from), table.completed[from] as number, table.invoked[to] as number]
      : [eventOf(table, from)],
  );
}

/** The common name of small cycles. */
function commonName(edges: readonly CycleEdge[]): string | undefined {
  const types = edges.map((edge) => typeOf(edge.code));
  const count = (type: string): number => types.filter((other) => other === type).length;
  const sameKey = edges.every(({ key }) => key === edges[0]?.key);
  if (edges.some((edge) => kindOf(edge.code) === RW_PREDICATE)) return "a phantom (P3)";
  if (edges.length === 2 && count("rw") === 2) return sameKey ? undefined : "write skew (A5B)";
  if (edges.length === 2 && count("rw") === 1 && count("wr") === 1)
    return sameKey ? undefined : "read skew (A5A)";
  if (edges.length === 2 && count("rw") === 1 && count("ww") === 1)
    return sameKey ? "a lost update (P4)" : undefined;
  if (
    edges.length === 4 &&
    count("rw") === 2 &&
    count("wr") === 2 &&
    types[0] !== types[1] &&
    types[1] !== types[2]
  )
    return "a long fork";
  return undefined;
}

/** Reasons from lists. */
export function listReason(lists: Lists): Reason {
  const { table } = lists;
  const appended = (t: number, k: number): number[] => {
    const values: number[] = [];
    for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++)
      if (table.key[at] === k && table.writes[at] === 1) values.push(table.value[at] as number);
    return values;
  };
  const reads = (t: number, k: number): number[] => {
    const found: number[] = [];
    for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++)
      if (table.key[at] === k && lists.length[at] !== NONE && table.writes[at] === 0) found.push(at);
    return found;
  };
  return ({ from, to, code: edge, key: k }, a, b) => {
    const key = show(table.keys[k] as Json);
    const kind = kindOf(edge);
    if (kind <= WW_VIEW) {
      const mine = appended(from, k).filter((v) => lists.position[v] !== NONE);
      for (const v of appended(to, k)) {
        const place = lists.position[v] as number;
        if (place === NONE) {
          const last = mine.reduce((x, y) =>
            (lists.position[y] as number) > (lists.position[x] as number) ? y : x,
          );
          return `${a} appended ${show(table.scalarOf(last))} to ${key}, the last that anybody read there, and ${b} appended ${show(table.scalarOf(v))}, which nobody read`;
        }
        for (let i = place - 1; i >= 0; i--) {
          const before = lists.chain[(lists.start[k] as number) + i] as number;
          const writer = table.writerTransaction[before] as number;
          if (writer === NONE || table.outcome[writer] === FAIL) continue;
          if (writer === from) {
            const how = place < (lists.readLength[k] as number) ? "next" : "later by the versions' numbers";
            return `${a} appended ${show(table.scalarOf(before))} to ${key}, and ${b} appended ${show(table.scalarOf(v))} ${how}`;
          }
          break;
        }
      }
    }
    if (kind === WR) {
      const mine = new Set(appended(from, k));
      for (const at of reads(to, k))
        for (let i = lists.sizeBefore(to, at) - 1; i >= 0; i--)
          if (mine.has(lists.element(at, i)))
            return `${b} read ${key} as ${show(table.answer(at))}, with the ${show(table.scalarOf(lists.element(at, i)))} that ${a} appended`;
    }
    for (const at of reads(from, k)) {
      const later = appended(to, k).filter((v) => {
        const place = lists.position[v] as number;
        return place === NONE || place >= lists.size(at);
      });
      const [first] = later;
      if (first === undefined) continue;
      if (table.predicate?.[at] === 1)
        return `${a} read a range without ${key}, to which ${b} appended ${show(table.scalarOf(first))}`;
      if (kind !== RW_PREDICATE)
        return `${a} read ${key} as ${show(table.answer(at) ?? [])}, without the ${show(table.scalarOf(first))} that ${b} appended`;
    }
    throw new Error(`no reason why ${a} came before ${b}`);
  };
}

/** Reasons from registers. */
export function registerReason(registers: Registers, order: VersionOrder): Reason {
  const { table } = registers;
  const find = (t: number, k: number, wanted: (at: number) => boolean): number[] => {
    const found: number[] = [];
    for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++)
      if (table.key[at] === k && wanted(at)) found.push(at);
    return found;
  };
  const written = (t: number, k: number): number[] =>
    find(t, k, (at) => table.writes[at] === 1).map((at) => table.value[at] as number);
  const read = (t: number, k: number): number[] =>
    find(t, k, (at) => registers.external[at] === 1).map((at) => registers.read[at] as number);
  let steps: Digraph | undefined;
  return ({ from, to, code: edge, key: k }, a, b) => {
    const key = show(table.keys[k] as Json);
    const kind = kindOf(edge);
    if (kind === WR) {
      const mine = new Set(written(from, k));
      const seen = read(to, k).find((v) => mine.has(v)) as number;
      return `${b} read ${key} = ${show(table.scalarOf(seen))}, which ${a} wrote`;
    }
    steps ??= order.byVersion(table.valueCount);
    const { offsets, targets } = steps;
    const before = kind >= RW ? read(from, k) : written(from, k);
    const after = new Set(written(to, k));
    const level = Math.floor(edge / code(0, 1));
    const known = before.flatMap((v) => [...targets.subarray(offsets[v], offsets[v + 1])]);
    for (const e of known) {
      if (!after.has(order.to[e] as number)) continue;
      if (Math.floor((order.codes[e] as number) / code(0, 1)) !== level) continue;
      const [x, y] = [order.from[e], order.to[e]].map((v) => show(table.scalarOf(v as number)));
      const why = whyBefore(registers, order.step(e));
      if (kind === RW_PREDICATE) return `${a} read a range without ${key}, which ${b} wrote = ${y}`;
      const did =
        kind >= RW
          ? `${a} read ${key} ${x === "null" ? "as nothing" : `= ${x}`}`
          : `${a} wrote ${key} = ${x}`;
      return `${did}, ${b} wrote ${y}, and ${why}`;
    }
    throw new Error(`no reason why ${a} came before ${b}`);
  };
}
