/** Holds every way to decide a history against the definition. */
import { Budget } from "../../../src/checker.ts";
import { History } from "../../../src/history/history.ts";
import type { Json } from "../../../src/history/op.ts";
import { etcdChecker } from "../../etcd.ts";
import type { EtcdSignature } from "../../etcd/signature.ts";
import { asCalled, linearizable } from "../../linearizable.ts";
import { type RegisterCall, register } from "../../models/register.ts";
import { components } from "../components.ts";
import { type Decision, decide } from "../decision.ts";
import { isLinearizable } from "../exhaustive.ts";
import { isLinearization } from "../linearization.ts";
import { type Action, type Model, PENDING } from "../model.ts";
import { listed } from "../object-history.ts";
import { search } from "../search.ts";
import { minimalWitness } from "../witness.ts";
import type { AnyCall, AnyModel } from "./subjects.ts";
import { type AnyAction, eventsOf } from "./tiny-history.ts";

const STEPS = 100_000;

/** What is wrong with the answers about this history, if anything is. */
export function disagreement(model: AnyModel, actions: readonly AnyAction[]): string | undefined {
  const truth = isLinearizable(model, actions) ? "linearizable" : "violation";
  const found = search(model, actions, new Budget(STEPS));
  if (found.kind !== truth) return `search: ${found.kind}, not ${truth}`;
  if (found.kind === "linearizable" && !isLinearization(model, actions, found.order))
    return `search: [${found.order}] is no linearization`;
  return (
    wrongDecision(model, actions, truth) ??
    wrongParts(model, actions, truth) ??
    wrongView(model, actions, truth) ??
    wrongVerdict(model, actions, truth) ??
    wrongReplay(model, actions, truth)
  );
}

function wrongDecision<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  truth: Decision["kind"],
): string | undefined {
  const decision = decide(model, actions, new Budget(STEPS));
  if (decision.kind !== truth) return `decide: ${decision.kind}, not ${truth}`;
  if (decision.kind === "linearizable")
    return isLinearization(model, actions, decision.order)
      ? undefined
      : `decide: [${decision.order}] is no linearization`;
  if (decision.kind !== "violation") return undefined;
  const { impossible, witness } = decision;
  if (witness !== undefined) {
    const few = witness.map((position) => actions[position] as Action<In, Out>);
    return isLinearizable(model, few) ? `decide: [${witness}] contradict nothing` : undefined;
  }
  const end = (actions[impossible] as Action<In, Out>).completed;
  if (end === PENDING) return `decide: ${impossible} never completed`;
  if (isLinearizable(model, actions.filter(({ invoked }) => invoked < end)))
    return `decide: something gets past ${impossible}`;
  const minimal = minimalWitness(model, actions, impossible, new Budget(STEPS));
  if (isLinearizable(model, minimal.actions)) return `witness: [${minimal.positions}] contradict nothing`;
  return undefined;
}

function wrongParts(model: AnyModel, actions: readonly AnyAction[], truth: string): string | undefined {
  const parts = components(model, actions).map(({ positions }) => positions);
  const fine = parts.every((positions) =>
    isLinearizable(
      model,
      positions.map((position) => actions[position] as AnyAction),
    ),
  );
  if (fine === (truth === "linearizable")) return undefined;
  return `components: ${JSON.stringify(parts)} are ${fine ? "all" : "not all"} linearizable`;
}

function wrongView(model: AnyModel, actions: readonly AnyAction[], truth: Decision["kind"]): string | undefined {
  const view = model.asRegister?.(listed(model, actions));
  if (view === undefined) return undefined;
  const registers = register(view.init);
  // A relaxed view can have more operations than there is time to try all orders of.
  const seenActions = view.operations.actions();
  if (seenActions.length > actions.length + 2) {
    const { kind } = decide(registers, seenActions, new Budget(STEPS));
    return kind === "violation" && truth === "linearizable" ? `as register: ${kind}` : undefined;
  }
  const seen = isLinearizable(registers, seenActions) ? "linearizable" : "violation";
  if (seen !== truth) return view.relaxed && seen === "linearizable" ? undefined : `as register: ${seen}`;
  const wrong = wrongDecision<Json, RegisterCall, Json>(registers, seenActions, truth);
  return wrong === undefined ? undefined : `as register: ${wrong}`;
}

function wrongVerdict(model: AnyModel, actions: readonly AnyAction[], truth: string): string | undefined {
  const history = new History(eventsOf(actions));
  const verdict = linearizable(model, asCalled<AnyCall>).check(history, new Budget(STEPS));
  const { validity, checked, anomalies } = verdict;
  if (truth === "violation") {
    if (validity !== "invalid") return `checker: ${validity}, not invalid`;
    const events = anomalies.flatMap(({ witness }) => witness);
    const told = events.length > 0 && events.every((index) => index >= 0 && index < history.events.length);
    return told ? undefined : `checker: the witness is [${events}]`;
  }
  // Nothing can be said of a history that tells nothing.
  if (validity === "valid" || (validity === "unknown" && checked === 0)) return undefined;
  return `checker: ${validity}, not valid`;
}

/** The replay of histories with etcd's revisions decides the same question. */
function wrongReplay(model: AnyModel, actions: readonly AnyAction[], truth: string): string | undefined {
  if (model.name !== "etcd") return undefined;
  const history = new History(eventsOf(actions)) as unknown as History<EtcdSignature>;
  const { validity, checked, anomalies, reason } = etcdChecker().check(history, new Budget(STEPS));
  const expected = truth === "violation" ? "invalid" : checked === 0 ? "unknown" : "valid";
  return validity === expected ? undefined : `replay: ${validity}, not ${expected}: ${reason} ${anomalies[0]?.explanation}`;
}
