/** What the timeline of a report draws, as compact as JSON allows: columns, indexes into name tables, microseconds. */
import type { Operation } from "../src/history/history.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { tellSpan } from "./fault-spans.ts";
import { shown, visible } from "./html.ts";
import type { Scene, Story } from "./story.ts";

/** All columns of `operations` have one length; row i is the i-th operation by invocation. */
export interface TimelineData {
  /** Microseconds, as every time here. */
  readonly until: number;
  readonly concurrency: number;
  readonly nodes: readonly string[];
  readonly functions: readonly string[];
  readonly keys: readonly string[];
  /** Inputs, results and errors, each once. */
  readonly texts: readonly string[];
  readonly operations: {
    /** Invocation, since the invocation before. */
    readonly wait: readonly number[];
    /** Until the completion; -1 if there was none. */
    readonly took: readonly number[];
    readonly process: readonly number[];
    /** -1: none. */
    readonly node: readonly number[];
    readonly f: readonly number[];
    readonly key: readonly number[];
    /** 0 ok, 1 fail, 2 info. */
    readonly type: readonly number[];
    readonly input: readonly number[];
    readonly result: readonly number[];
    /** Event of the invocation, since that of the operation before. */
    readonly index: readonly number[];
    /** Event of the completion, since that of the invocation; 0 if there was none. */
    readonly completion: readonly number[];
  };
  readonly faults: readonly string[];
  readonly spans: readonly {
    readonly fault: number;
    readonly from: number;
    readonly until: number;
    readonly text: string;
    /** Members whose process was dead or frozen meanwhile. */
    readonly down: readonly number[];
  }[];
  readonly reigns: readonly {
    readonly node: number;
    readonly term: number;
    readonly from: number;
    readonly until: number;
  }[];
  readonly phases: readonly { readonly name: string; readonly at: number }[];
  /** Rows of the operations that prove the violation. */
  readonly witness: readonly number[];
}

const LONGEST_TEXT = 240;
/** Of the operations that prove a violation, everything should be there to read. */
const LONGEST_PROOF = 8_000;
const DOWN: ReadonlySet<string> = new Set(["kill", "stop", "power", "pause"]);
const micros = (nanos: number): number => Math.round(nanos / 1e3);

export function timelineData(
  run: FinishedRun,
  scene: Scene,
  faults: readonly string[],
  story: Story | undefined,
): TimelineData {
  const operations = run.history.client;
  const nodes = new Names();
  for (const node of scene.nodes) nodes.indexOf(node);
  const functions = new Names();
  const keys = new Names();
  const texts = new Names();
  const columns = {
    wait: [] as number[],
    took: [] as number[],
    process: [] as number[],
    node: [] as number[],
    f: [] as number[],
    key: [] as number[],
    type: [] as number[],
    input: [] as number[],
    result: [] as number[],
    index: [] as number[],
    completion: [] as number[],
  };
  const proofs = new Set(story?.witness ?? []);
  let time = 0;
  let index = 0;
  for (const op of operations) {
    const limit = proofs.has(op) ? LONGEST_PROOF : LONGEST_TEXT;
    const at = micros(op.invokeTime);
    const ended = Number.isFinite(op.completeTime);
    columns.wait.push(at - time);
    columns.took.push(ended ? Math.max(0, micros(op.completeTime) - at) : -1);
    columns.process.push(op.process);
    columns.node.push(op.node === undefined ? -1 : nodes.indexOf(op.node));
    columns.f.push(functions.indexOf(op.f));
    columns.key.push(op.key === undefined ? -1 : keys.indexOf(text(op.key)));
    columns.type.push(op.type === "ok" ? 0 : op.type === "fail" ? 1 : 2);
    columns.input.push(op.input === null ? -1 : texts.indexOf(text(op.input, limit)));
    columns.result.push(resultOf(op, texts, limit));
    columns.index.push(op.invokeIndex - index);
    columns.completion.push(ended ? op.completeIndex - op.invokeIndex : 0);
    time = at;
    index = op.invokeIndex;
  }
  const rows = new Map(operations.map((op, row) => [op.invokeIndex, row]));
  return {
    until: micros(run.history.events.at(-1)?.time ?? 0),
    concurrency: run.plan.concurrency,
    functions: functions.all,
    keys: keys.all,
    texts: texts.all,
    operations: columns,
    faults,
    spans: scene.spans
      .filter((span) => span.refused === undefined)
      .map((span) => ({
        fault: faults.indexOf(span.fault),
        from: micros(span.from),
        until: micros(span.until),
        text: text(tellSpan(span, scene.nodes)),
        down: DOWN.has(span.fault) ? span.nodes.map((node) => nodes.indexOf(node)) : [],
      })),
    reigns: scene.reigns.map((reign) => ({
      node: nodes.indexOf(reign.node),
      term: reign.term,
      from: micros(reign.from),
      until: micros(reign.until),
    })),
    phases: Object.entries(run.result?.phases ?? {}).map(([name, at]) => ({ name, at: micros(at) })),
    witness: (story?.witness ?? []).flatMap((op) => rows.get(op.invokeIndex) ?? []),
    // Last, for tables grow while the rest is written.
    nodes: nodes.all,
  };
}

function resultOf(op: Operation, texts: Names, limit: number): number {
  if (op.type !== "ok") return texts.indexOf(text(op.error, limit));
  return op.output === null ? -1 : texts.indexOf(text(op.output, limit));
}

function text(value: unknown, limit = LONGEST_TEXT): string {
  return visible(shown(value, limit));
}

/** Gives each name a number, in order of appearance. */
class Names {
  readonly all: string[] = [];
  readonly #numbers = new Map<string, number>();
  indexOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.all.length;
      this.#numbers.set(name, number);
      this.all.push(name);
    }
    return number;
  }
}
