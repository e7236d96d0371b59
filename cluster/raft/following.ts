/**
 * What a member does with the word of the leader of its term: append, commit, restore (paper, 5.3 and 7). The caller
 * has checked that the message is of the member's own term.
 */
import type { RaftLog } from "./log.ts";
import type { Index, MemberId, Message, RaftOptions, Snapshot, Term } from "./message.ts";
import type { Outbox } from "./outbox.ts";

export class Following {
  readonly #options: RaftOptions;
  readonly #id: MemberId;
  readonly #log: RaftLog;
  readonly #outbox: Outbox;
  readonly #bug: string;

  constructor(options: RaftOptions, log: RaftLog, outbox: Outbox) {
    this.#options = options;
    this.#id = options.id;
    this.#log = log;
    this.#outbox = outbox;
    this.#bug = options.bug;
  }

  onAppend(message: Message & { readonly type: "append" }): void {
    const log = this.#log;
    const { previousIndex, previousTerm, entries } = message;
    if (previousIndex < log.commit && this.#bug !== "truncate-always") {
      // An old one: committed entries match any leader's.
      this.answerAppend(message.from, message.term, log.commit);
      return;
    }
    const ownTerm = log.term(previousIndex);
    const matches =
      ownTerm === previousTerm || (this.#bug === "no-previous-term-check" && ownTerm !== undefined);
    if (!matches) {
      this.#rejectAppend(message);
      return;
    }
    const lastNew = previousIndex + entries.length;
    if (this.#bug === "truncate-always") this.#truncate(previousIndex + 1, message.term);
    const conflict = log.findConflict(entries);
    if (conflict > 0) {
      this.#truncate(conflict, message.term);
      log.append(conflict === previousIndex + 1 ? entries : entries.slice(conflict - previousIndex - 1));
    }
    // No further than the entries that are known to match: what lies behind them may be another leader's.
    const known = this.#bug === "commit-unclamped" ? log.lastIndex : lastNew;
    this.#commitTo(Math.min(message.commit, known), message.term);
    this.answerAppend(message.from, message.term, lastNew);
  }

  #truncate(index: Index, term: Term): void {
    if (index > this.#log.lastIndex) return;
    this.#options.trace({
      kind: "log-truncated",
      term,
      from: index,
      previousLast: this.#log.lastIndex,
    });
    this.#log.truncate(index);
  }

  /** Everything up to `index` will match the leader's log as soon as it is durable. */
  answerAppend(to: MemberId, term: Term, index: Index): void {
    this.#outbox.sendAfterSync({
      type: "append-response",
      from: this.#id,
      to,
      term,
      index,
      reject: false,
      hintIndex: 0,
      hintTerm: 0,
    });
  }

  #rejectAppend(message: Message & { readonly type: "append" }): void {
    // The leader's log has no terms above previousTerm at or before previousIndex, so the logs cannot meet at an
    // entry of a higher term: skip them all at once (paper, end of 5.3).
    const hintIndex = this.#log.findConflictByTerm(
      Math.min(message.previousIndex, this.#log.lastIndex),
      message.previousTerm,
    );
    this.#outbox.sendAfterSync({
      type: "append-response",
      from: this.#id,
      to: message.from,
      term: message.term,
      index: message.previousIndex,
      reject: true,
      hintIndex,
      hintTerm: this.#log.term(hintIndex) ?? 0,
    });
  }

  #commitTo(index: Index, term: Term): void {
    const before = this.#log.commit;
    this.#log.commitTo(index);
    if (this.#log.commit > before) {
      this.#options.trace({ kind: "commit-advanced", term, index: this.#log.commit });
    }
  }

  onHeartbeat(message: Message & { readonly type: "heartbeat" }): void {
    this.#commitTo(message.commit, message.term);
    this.#outbox.send({
      type: "heartbeat-response",
      from: this.#id,
      to: message.from,
      term: message.term,
      context: message.context,
    });
  }

  onSnapshot(message: Message & { readonly type: "snapshot" }): void {
    this.#restore(message.snapshot, message.term);
    this.answerAppend(message.from, message.term, this.#log.commit);
  }

  /** Takes the snapshot over, unless it brings nothing new. It may be older than the joining of this member. */
  #restore(snapshot: Snapshot, currentTerm: Term): void {
    const { index, term } = snapshot.meta;
    if (index <= this.#log.commit) return;
    if (this.#log.term(index) === term) {
      // The log already holds all of it: no reason to throw away what follows (paper, section 7).
      this.#commitTo(index, currentTerm);
      return;
    }
    // Its configuration comes into force when the state machine is restored from it: see storageAppended.
    this.#log.restore(snapshot);
    this.#options.trace({ kind: "snapshot-restored", term: currentTerm, index });
  }
}
