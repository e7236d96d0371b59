/**
 * The operations of the timeline, decoded, laid out in lanes and filtered. Runs in the reader's browser: functions in
 * this folder are written into the report by their source text, so each stands alone and takes what it needs as
 * arguments.
 */
import type { TimelineData } from "../timeline-data.ts";

export interface Lane {
  readonly label: string;
  /** Rows of operations that do not overlap, by time. */
  readonly rows: readonly number[];
}

export interface Filter {
  /** All that follow: "" or -1 for any. */
  readonly f: number;
  readonly type: number;
  readonly node: number;
  readonly process: string;
  readonly key: string;
  readonly text: string;
}

export interface Model {
  readonly count: number;
  readonly data: TimelineData;
  /** Microseconds; an operation without a completion lasts to the end. */
  readonly from: Float64Array;
  readonly until: Float64Array;
  readonly events: Float64Array;
  lanes(by: "client" | "node"): Lane[];
  /** Rows that pass, in order. */
  matches(filter: Filter): number[];
  /** The row of the operation that this event belongs to, or -1. */
  rowOfEvent(index: number): number;
  /** Names and values for the reader. */
  details(row: number): (readonly [name: string, value: string])[];
  /** In one line. */
  title(row: number): string;
}

export function timelineModel(data: TimelineData): Model {
  const { wait, took, process, node, f, key, type, input, result, index, completion } = data.operations;
  const count = wait.length;
  const from = new Float64Array(count);
  const until = new Float64Array(count);
  const events = new Float64Array(count);
  for (let row = 0, time = 0, event = 0; row < count; row++) {
    time += wait[row] as number;
    event += index[row] as number;
    from[row] = time;
    until[row] = (took[row] as number) < 0 ? data.until : time + (took[row] as number);
    events[row] = event;
  }
  const outcomes = ["ok", "fail", "info"];
  const seconds = (micros: number): string => `${(micros / 1e6).toFixed(3)} s`;
  const lasting = (micros: number): string =>
    micros < 1e3
      ? `${micros} µs`
      : micros < 1e6
        ? `${(micros / 1e3).toFixed(1)} ms`
        : `${(micros / 1e6).toFixed(2)} s`;
  const textAt = (table: readonly string[], at: number | undefined): string =>
    at === undefined || at < 0 ? "" : (table[at] ?? "");

  return {
    count,
    data,
    from,
    until,
    events,

    lanes(by) {
      const groups = new Map<number, number[]>();
      for (let row = 0; row < count; row++) {
        const group = by === "node" ? (node[row] as number) : (process[row] as number) % data.concurrency;
        const rows = groups.get(group);
        if (rows === undefined) groups.set(group, [row]);
        else rows.push(row);
      }
      const found: Lane[] = [];
      for (const group of [...groups.keys()].sort((a, b) => a - b)) {
        const name = by === "node" ? textAt(data.nodes, group) || "no node" : `client ${group}`;
        // Each goes into the first lane that is free by then.
        const packed: number[][] = [];
        for (const row of groups.get(group) as number[]) {
          const free = packed.find(
            (lane) => (until[lane[lane.length - 1] as number] as number) <= (from[row] as number),
          );
          if (free === undefined) packed.push([row]);
          else free.push(row);
        }
        packed.forEach((rows, i) => {
          found.push({ label: i === 0 ? name : "", rows });
        });
      }
      return found;
    },

    matches(filter) {
      const wanted = filter.text.toLowerCase();
      const hits = wanted === "" ? undefined : data.texts.map((text) => text.toLowerCase().includes(wanted));
      const keys = filter.key === "" ? undefined : data.keys.map((name) => name.includes(filter.key));
      const found: number[] = [];
      for (let row = 0; row < count; row++) {
        if (filter.f >= 0 && f[row] !== filter.f) continue;
        if (filter.type >= 0 && type[row] !== filter.type) continue;
        if (filter.node >= 0 && node[row] !== filter.node) continue;
        if (filter.process !== "" && String(process[row]) !== filter.process) continue;
        if (keys !== undefined && keys[key[row] as number] !== true) continue;
        if (hits !== undefined && hits[input[row] as number] !== true && hits[result[row] as number] !== true)
          continue;
        found.push(row);
      }
      return found;
    },

    rowOfEvent(event) {
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((events[middle] as number) <= event) low = middle + 1;
        else high = middle;
      }
      return low - 1;
    },

    details(row) {
      const ended = (took[row] as number) >= 0;
      const outcome = outcomes[type[row] as number] as string;
      const began = events[row] as number;
      return [
        ["Operation", textAt(data.functions, f[row])],
        ["Key", textAt(data.keys, key[row])],
        ["Value", textAt(data.texts, input[row])],
        ["Outcome", ended ? outcome : "info: never answered"],
        [outcome === "ok" ? "Result" : "Error", textAt(data.texts, result[row])],
        ["Asked", `${seconds(from[row] as number)} (event ${began})`],
        [
          "Answered",
          ended
            ? `${seconds(until[row] as number)}, after ${lasting(took[row] as number)} (event ${began + (completion[row] as number)})`
            : "never",
        ],
        ["Process", String(process[row])],
        ["Node", textAt(data.nodes, node[row])],
      ].filter((pair): pair is [string, string] => pair[1] !== "");
    },

    title(row) {
      const parts = [
        seconds(from[row] as number),
        textAt(data.nodes, node[row]),
        `process ${process[row]}`,
        textAt(data.functions, f[row]),
        textAt(data.keys, key[row]),
        textAt(data.texts, input[row]),
        "→",
        type[row] === 0 ? "" : (outcomes[type[row] as number] as string),
        textAt(data.texts, result[row]),
      ];
      return parts.filter((part) => part !== "").join(" ");
    },
  };
}
