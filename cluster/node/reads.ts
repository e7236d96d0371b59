/**
 * Linearizable reads without the log (Ongaro's dissertation, 6.4): raft says up to which index the state machine
 * must have applied. One question to raft serves all reads that came before it was asked; those that come
 * meanwhile wait for the next.
 */
import type { Nanos } from "../../src/history/op.ts";
import { ErrTimeout } from "../kv/errors.ts";
import type { StatusError } from "../kv/request.ts";
import type { Index, RaftCore } from "../raft/message.ts";
import type { Waiting } from "./deadlines.ts";

/** Ticks until a question without an answer is asked again. */
const RETRY_TICKS = 5;
/** Contexts of one incarnation. */
const CONTEXTS = 0x1_0000_0000;

/** Called once: without an error, the state machine now holds every write acknowledged before the read came. */
export type ReadReady = (error?: StatusError) => void;

class Read implements Waiting {
  readonly deadline: Nanos;
  readonly #ready: ReadReady;
  settled = false;

  constructor(deadline: Nanos, ready: ReadReady) {
    this.deadline = deadline;
    this.#ready = ready;
  }

  finish(): void {
    if (this.settled) return;
    this.settled = true;
    this.#ready();
  }

  expire(): void {
    this.settled = true;
    this.#ready(ErrTimeout);
  }
}

interface Batch {
  readonly reads: readonly Read[];
  readonly index: Index;
}

export class Reads {
  readonly #raft: RaftCore;
  readonly #bug: string;
  readonly #asking: (context: number, again: boolean) => void;
  /** Next context. Never reused, by no incarnation: an answer to an older question must not serve a newer read. */
  #context: number;
  /** Not asked for yet. */
  #open: Read[] = [];
  /** Asked for with the contexts from `#firstContext` on; empty when no question is under way. */
  #asked: Read[] = [];
  #firstContext = 0;
  #sinceAsked = 0;
  /** Waiting for the state machine, oldest first. */
  #confirmed: Batch[] = [];

  /**
   * `asking` is told of each question before it is put to raft, and whether it was put before. `bug` names a planted
   * bug, or is "".
   */
  constructor(
    raft: RaftCore,
    incarnation: number,
    bug: string,
    asking: (context: number, again: boolean) => void,
  ) {
    this.#raft = raft;
    this.#bug = bug;
    this.#context = incarnation * CONTEXTS + 1;
    this.#asking = asking;
  }

  add(deadline: Nanos, ready: ReadReady): Waiting {
    const read = new Read(deadline, ready);
    if (this.#bug === "read-joins-question" && this.#asked.length > 0) this.#asked.push(read);
    else this.#open.push(read);
    return read;
  }

  /** Whether `flush` has something to ask. */
  get waiting(): boolean {
    return this.#open.length > 0;
  }

  /** Puts the next question if none is under way. To be called before raft's work is taken. */
  flush(): void {
    if (this.#asked.length > 0 || this.#open.length === 0 || this.#raft.leader === 0) return;
    this.#asked = this.#open;
    this.#open = [];
    this.#firstContext = this.#context;
    this.#ask(false);
  }

  tick(): void {
    if (this.#asked.length > 0 && ++this.#sinceAsked >= RETRY_TICKS) this.retry();
  }

  /** Asks again, since there is a new leader or the answer is overdue. A late answer to any attempt will do. */
  retry(): void {
    if (this.#asked.length === 0) return;
    this.#asked = this.#asked.filter((read) => !read.settled);
    if (this.#asked.length > 0) this.#ask(true);
  }

  #ask(again: boolean): void {
    this.#sinceAsked = 0;
    const context = this.#context++;
    this.#asking(context, again);
    this.#raft.readIndex(context);
  }

  /** Raft's answer. */
  confirmed(context: number, index: Index, applied: Index): void {
    if (this.#asked.length === 0 || context < this.#firstContext || context >= this.#context) return;
    this.#confirmed.push({ reads: this.#asked, index });
    this.#asked = [];
    this.applied(this.#bug === "read-before-apply" ? index : applied);
  }

  /** The state machine has come to `index`. */
  applied(index: Index): void {
    if (this.#confirmed.length === 0) return;
    const waiting = this.#confirmed;
    this.#confirmed = waiting.filter((batch) => batch.index > index);
    for (const batch of waiting) if (batch.index <= index) for (const read of batch.reads) read.finish();
  }
}
