/** The first few operations decided in another way, without believing their revisions. */
import { Budget } from "../../src/checker.ts";
import type { History } from "../../src/history/history.ts";
import { type Action, PENDING } from "../linearizable/model.ts";
import { search } from "../linearizable/search.ts";
import { type EtcdAnswer, type EtcdCall, etcd } from "../models/etcd.ts";
import type { EtcdSignature } from "./signature.ts";

const OPERATIONS = 25;
/** Each step may keep several states, and a state holds all revisions up to it: more would take gigabytes. */
const STEPS = 1_000;

/** Throws if the search for a linearization contradicts what was found valid. */
export function crossCheck(history: History<EtcdSignature>): void {
  const actions: Action<EtcdCall, EtcdAnswer>[] = [];
  let end = PENDING;
  for (const { f, type, input, output, invokeIndex, completeIndex, process, node } of history.operations()) {
    if (actions.length === OPERATIONS) {
      // What is answered later is open in the beginning of the history.
      end = invokeIndex;
      break;
    }
    // A watch is none of the model's operations; it may stand among them.
    if (f === "compact" || (f as string) === "watch" || type === "fail") continue;
    actions.push({
      input: { f, value: input } as EtcdCall,
      output: output as EtcdAnswer | undefined,
      invoked: invokeIndex,
      completed: type === "ok" ? completeIndex : PENDING,
      process,
      node,
    });
  }
  const beginning = actions.map((action) =>
    action.completed < end ? action : { ...action, output: undefined, completed: PENDING },
  );
  // A serializable read may show the past, which is no linearization.
  const linearizable = beginning.filter(
    ({ input }) => !(input.f === "range" && input.value.serializable === true),
  );
  if (search(etcd(), linearizable, new Budget(STEPS)).kind === "violation")
    throw new Error("the replay finds nothing wrong, but the search finds no linearization of its beginning");
}
