/**
 * A violation as a few operations that contradict each other, in a form that a machine can check again without the
 * checkers: see verifier.ts. They are taken from the history alone.
 *
 * A witness is a part of the history, and other operations may have come in between. What these may have written
 * can turn up at any time, so a read of it counts as a write of it; from lists it is left out.
 */
import type { Anomaly, Verdict } from "../src/checker.ts";
import type { History, Operation } from "../src/history/history.ts";
import { type Certified, contradictory, type Step } from "./verifier.ts";

export interface Certificate {
  readonly guarantee: string;
  readonly operations: readonly Certified[];
}

/** Orders of more operations are too many to try. */
const MOST = 9;

/** What an operation did, for each checker whose violations can be certified; indefinite ones have no output. */
const stepsOf: { readonly [checker: string]: (operation: Operation) => readonly Step[] | undefined } = {
  linearizable: registerSteps,
  "list-append": appendSteps,
  set: setSteps,
};

/** Undefined if this kind of violation cannot be certified, or the witness alone does not prove it. */
export function certify(
  history: Pick<History, "client">,
  { checker }: Pick<Verdict, "checker">,
  { witness, guarantee }: Anomaly,
): Certificate | undefined {
  const translate = Object.hasOwn(stepsOf, checker) ? stepsOf[checker] : undefined;
  if (translate === undefined) return undefined;
  const events = new Set(witness);
  const own = new Map<string, number>();
  const foreign = new Set<string>();
  const chosen: { readonly operation: Operation; readonly steps: readonly Step[] }[] = [];
  for (const operation of history.client) {
    if (operation.type === "fail") continue;
    const steps = translate(operation);
    const isChosen = events.has(operation.invokeIndex) || events.has(operation.completeIndex);
    // What the model does not know may have written anything.
    if (steps === undefined) return undefined;
    for (const written of steps.filter(isWrite).map(nameOf))
      if (isChosen) own.set(written, (own.get(written) ?? 0) + 1);
      else foreign.add(written);
    if (isChosen) chosen.push({ operation, steps });
  }
  if (chosen.length === 0 || chosen.length > MOST) return undefined;
  const known = (object: string, value: unknown) => {
    const name = nameOf(["write", object, value]);
    // Nothing is there in the beginning.
    return !foreign.has(name) && (value === null || own.get(name) === 1);
  };
  const operations = chosen.map(({ operation: { type, invokeIndex, completeIndex }, steps }) => ({
    invoked: invokeIndex,
    completed: type === "ok" ? completeIndex : null,
    steps: steps.flatMap((step) => settled(step, known)),
  }));
  return contradictory(operations) ? { guarantee, operations } : undefined;
}

/** The step as far as the witness alone can tell of it. */
function settled(
  [act, object, value]: Step,
  known: (object: string, value: unknown) => boolean,
): readonly Step[] {
  switch (act) {
    case "write":
      return [[act, object, value]];
    case "read":
      return [known(object, value) ? [act, object, value] : ["write", object, value]];
    case "append":
      return known(object, value) ? [[act, object, value]] : [];
    case "list":
    case "members":
      return [[act, object, (value as readonly unknown[]).filter((element) => known(object, element))]];
  }
}

function isWrite([act]: Step): boolean {
  return act === "write" || act === "append";
}

function nameOf([, object, value]: Step): string {
  return JSON.stringify([object, value]);
}

/** What the register workload answers. */
type Answer = { readonly value?: unknown; readonly swapped?: boolean };

/** In the words of the register workload; undefined for any other. */
function registerSteps({ f, key = "", input, output, type }: Operation): readonly Step[] | undefined {
  const answer = (output ?? undefined) as Answer | undefined;
  switch (f) {
    case "stale-read":
      return [];
    case "read":
      return type === "ok" ? [["read", key, answer?.value]] : [];
    case "write":
      return [["write", key, input]];
    case "cas": {
      const [from, to] = input as unknown as readonly [unknown, unknown];
      const swap: Step[] = [
        ["read", key, from],
        ["write", key, to],
      ];
      return answer?.swapped === false ? [] : swap;
    }
    default:
      return undefined;
  }
}

function appendSteps({ input, output, type }: Operation): readonly Step[] {
  const operations = (output ?? input) as unknown as readonly (readonly [string, unknown, unknown])[];
  return operations.flatMap(([f, key, value]): readonly Step[] => {
    if (f === "append") return [["append", String(key), value]];
    return type === "ok" ? [["list", String(key), value ?? []]] : [];
  });
}

function setSteps({ f, input, output, type }: Operation): readonly Step[] {
  if (f === "add") return [["append", "", input]];
  return type === "ok" ? [["members", "", output]] : [];
}
