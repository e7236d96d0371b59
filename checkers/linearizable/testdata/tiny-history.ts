/** Random histories of a few operations: most of them nearly right, which is where a checker can be wrong. */
import type { Json, Op } from "../../../src/history/op.ts";
import type { Random } from "../../../src/runtime/random.ts";
import { type Action, PENDING } from "../model.ts";
import type { AnyCall, AnyModel, Draw, Subject } from "./subjects.ts";

export type AnyAction = Action<AnyCall, Json>;

interface Running {
  readonly draw: Draw;
  readonly process: number;
  readonly invoked: number;
  completed: number;
  answer: Json | undefined;
  applied: boolean;
  revision: number;
}

/**
 * Up to `size` operations by clients that take turns at random. They are played against the model, and in half of
 * the histories then tampered with; in some the answers are arbitrary from the beginning.
 */
export function tinyHistory(subject: Subject, random: Random, size: number): readonly AnyAction[] {
  const operations = new Play(subject, random).play(1 + random.below(size));
  if (random.chance(0.5)) for (let i = random.below(3); i >= 0; i--) tamper(operations, random);
  const claims = random.chance(0.5);
  return operations.map(({ draw, process, invoked, completed, answer, revision }) => ({
    input: draw.input,
    output: completed === PENDING ? undefined : answer,
    invoked,
    completed,
    process,
    node: undefined,
    revision: claims && completed !== PENDING ? revision : undefined,
  }));
}

class Play {
  readonly #subject: Subject;
  readonly #model: AnyModel;
  readonly #random: Random;
  /** Chance that an answer is what the model says, and that an operation is never answered. */
  readonly #honesty: number;
  readonly #loss: number;
  readonly #operations: Running[] = [];
  #state: unknown;
  #revision = 1;

  constructor(subject: Subject, random: Random) {
    this.#subject = subject;
    this.#model = subject.model;
    this.#random = random;
    this.#honesty = random.pick([1, 1, 1, 0.8, 0]);
    this.#loss = random.pick([0, 0.15, 0.4]);
    this.#state = subject.model.init;
  }

  play(count: number): Running[] {
    const random = this.#random;
    const clients: (Running | undefined)[] = Array.from({ length: random.between(1, 5) }, () => undefined);
    const processes = clients.map((_, client) => client);
    let index = 0;
    while (this.#operations.length < count || clients.some((running) => running !== undefined)) {
      const client = random.below(clients.length);
      const running = clients[client];
      if (random.chance(0.4)) this.#apply(random.pick([...this.#operations, undefined]));
      if (running === undefined) {
        if (this.#operations.length === count) continue;
        const process = processes[client] as number;
        const draw = this.#subject.call(random, this.#operations.length, process);
        clients[client] = {
          draw,
          process,
          invoked: index++,
          completed: PENDING,
          answer: undefined,
          applied: false,
          revision: 0,
        };
        this.#operations.push(clients[client] as Running);
      } else {
        clients[client] = undefined;
        // A process whose call has no answer is never heard of again.
        if (random.chance(this.#loss)) processes[client] = (processes[client] as number) + clients.length;
        else {
          this.#apply(running);
          running.completed = index++;
        }
      }
    }
    return this.#operations;
  }

  #apply(running: Running | undefined): void {
    if (running === undefined || running.applied) return;
    running.applied = true;
    const { input, answers } = running.draw;
    const possible = this.#random.chance(this.#honesty) ? this.#possible(running.draw) : [];
    running.answer = this.#random.pick(possible.length > 0 ? possible : answers);
    const after = this.#model.step(this.#state, input, running.answer);
    if (after !== undefined && this.#model.key(after) !== this.#model.key(this.#state)) {
      this.#state = after;
      this.#revision++;
    }
    running.revision = this.#revision;
  }

  #possible({ input, answers, truth }: Draw): readonly Json[] {
    if (truth === undefined)
      return answers.filter((answer) => this.#model.step(this.#state, input, answer) !== undefined);
    const answer = truth(this.#state);
    return answer === undefined ? [] : [answer];
  }
}

/** Another answer, another revision, or two neighbouring events the other way round. */
function tamper(operations: readonly Running[], random: Random): void {
  const one = random.pick(operations);
  const kind = random.below(5);
  if (kind === 0) one.revision += random.pick([-1, 1]);
  else if (kind < 3) one.answer = random.pick(one.draw.answers);
  else if (one.completed !== PENDING) {
    const moved = operations.find(({ completed }) => completed === one.completed - 1);
    const begun = operations.findIndex(({ invoked }) => invoked === one.completed - 1);
    const other = operations[begun];
    if (moved !== undefined) [one.completed, moved.completed] = [moved.completed, one.completed];
    else if (other !== undefined && other.process !== one.process)
      (operations as Running[])[begun] = { ...other, invoked: one.completed-- };
  }
}

/** The same as events of a history, in the order of their indexes, which are made to count from 0. */
export function eventsOf(actions: readonly AnyAction[]): readonly Op[] {
  const moments = actions.flatMap(({ invoked, completed, input, output, process }) => {
    const call = { process, f: input.f };
    const begin = { at: invoked, event: { ...call, type: "invoke", value: input.value } };
    if (completed === PENDING) return [begin];
    return [begin, { at: completed, event: { ...call, type: "ok", value: output ?? null } }];
  });
  moments.sort((a, b) => a.at - b.at);
  return moments.map(({ event }, index) => ({ index, time: index * 1_000_000, ...event }) as Op);
}
