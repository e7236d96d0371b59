/**
 * From the answers about single objects to a verdict on a history. Others may find answers before: what they found is
 * used where it is what would be found here, so the verdict does not depend on how the work was shared.
 */
import { type Anomaly, Budget, type Judgement, type OpenPart, type Verdict } from "../../src/checker.ts";
import type { Signature } from "../../src/history/op.ts";
import type { Decision, Method } from "./decision.ts";
import { type Part, partsOf, type Reading } from "./parts.ts";
import { type Answer, holdsWith, type Question, questionsOf } from "./questions.ts";

/** At most this many violations are explained; more are only counted. */
const EXPLAINED = 5;
/** About this many objects are also decided by the search, in part. */
const CROSS_CHECKED = 8;

/** An answer to a question that was given a budget of `total` steps, and took `spent` of them: plain data. */
interface Found {
  readonly answer: Answer;
  readonly total: number;
  readonly spent: number;
}

export class LinearizabilityJudgement<S extends Signature, State, In, Out> implements Judgement {
  readonly #parts: readonly {
    readonly part: Part<S, State, In, Out>;
    readonly questions: readonly Question[];
  }[];
  readonly #questions: readonly Question[];
  readonly #found = new Map<Question, Found>();

  constructor(reading: Reading<S, State, In, Out>) {
    this.#parts = partsOf(reading).map((part) => ({ part, questions: questionsOf(reading.model, part) }));
    // The smallest first: what easy ones leave over is there for the hard ones.
    this.#questions = this.#parts.flatMap(({ questions }) => questions).sort((a, b) => a.size - b.size);
  }

  /** Answers what takes no steps, or few, as long as there are some of `patience` left. Throws `Disagreement`. */
  begin(patience: number): void {
    let left = patience;
    this.#questions.forEach((question, i) => {
      // Never nothing: what takes no steps at all is then known to need none.
      const found = find(question, Math.max(4, Math.floor(left / 4)), this.#isSampled(i));
      left -= found.spent;
      const { answer, spent, total } = found;
      if (holdsWith(answer, spent, total, total)) this.#found.set(question, found);
    });
  }

  get size(): number {
    return this.#questions.length;
  }

  get open(): readonly OpenPart[] {
    return this.#parts
      .filter(({ questions }) => questions.some((question) => !this.#found.has(question)))
      .map(({ part }) => part)
      .sort((a, b) => b.size - a.size);
  }

  /** Answers all questions about one object, each within `steps`. */
  settlementOf(object: string, steps: number): readonly Found[] {
    return this.#questionsAbout(object).map((question) => find(question, steps, false));
  }

  settle(object: string, settlement: unknown): void {
    this.#questionsAbout(object).forEach((question, i) => {
      this.#found.set(question, (settlement as readonly Found[])[i] as Found);
    });
  }

  verdict(budget: Budget): Verdict {
    const anomalies: Anomaly[] = [];
    const unknown: string[] = [];
    const decided: { [method in Method]: number } = { values: 0, revisions: 0, direct: 0, search: 0 };
    let violations = 0;
    let checked = 0;
    this.#questions.forEach((question, i) => {
      const total = Math.floor(budget.left / (this.#questions.length - i));
      const { answer, spent } = this.#known(question, total) ?? find(question, total, this.#isSampled(i));
      budget.spend(spent);
      if (answer.kind === "exhausted") {
        const object = question.object === "" ? "the object" : `key ${question.object}`;
        unknown.push(`${object} gave up ${howFar(answer, total)}`);
        return;
      }
      checked += answer.checked;
      decided[answer.by]++;
      if (answer.kind === "violation" && ++violations <= EXPLAINED) anomalies.push(question.anomaly(answer));
    });
    const objects = `${this.size} ${this.size === 1 ? "object" : "objects"}`;
    const how = waysOf(decided);
    const common = { checker: "linearizable", checked, anomalies };
    const evidence = unknown.length > 0 ? { evidence: { unknown } } : {};
    if (violations > 0) {
      const reason = `${violations} of ${objects} ${violations === 1 ? "is" : "are"} not linearizable; decided ${how}`;
      return { ...common, validity: "invalid", reason, ...evidence };
    }
    if (unknown.length > 0)
      return {
        ...common,
        validity: "unknown",
        reason: `the search was cut short: ${unknown[0]}`,
        ...evidence,
      };
    if (checked === 0) return { ...common, validity: "unknown", reason: "there was nothing to check" };
    const reason = `${objects} with ${checked} operations are linearizable: decided ${how}`;
    return { ...common, validity: "valid", reason };
  }

  /** What was found before, if it is what would be found with `total` steps. */
  #known(question: Question, total: number): Found | undefined {
    const found = this.#found.get(question);
    if (found === undefined) return undefined;
    return holdsWith(found.answer, found.spent, found.total, total) ? found : undefined;
  }

  #questionsAbout(object: string): readonly Question[] {
    return this.#parts.find(({ part }) => part.object === object)?.questions ?? [];
  }

  #isSampled(i: number): boolean {
    return i % Math.ceil(this.#questions.length / CROSS_CHECKED) === 0;
  }
}

function find(question: Question, total: number, sampled: boolean): Found {
  const budget = new Budget(total);
  const answer = question.answer(budget, sampled);
  return { answer, total, spent: total - budget.left };
}

const WAYS: { readonly [method in Method]: string } = {
  values: "by unique values",
  revisions: "in the order of their revisions",
  direct: "by rules of their kind",
  search: "by search",
};

/** "by unique values", or with how many each, if there were several ways. */
function waysOf(decided: { readonly [method in Method]: number }): string {
  const used = (Object.keys(WAYS) as Method[]).filter((method) => decided[method] > 0);
  if (used.length === 1) return WAYS[used[0] as Method];
  return used.map((method) => `${decided[method]} ${WAYS[method]}`).join(", ");
}

function howFar(result: Decision & { kind: "exhausted" }, steps: number): string {
  return `after ${steps} steps, with ${result.placed} of ${result.required} operations placed at most`;
}
