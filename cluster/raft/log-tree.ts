/**
 * All logs that a cluster ever had, as one tree: a node stands for an entry at (index, term) and knows the node before
 * it. Two logs that hold the same node are equal up to there, exactly and not by a hash; a log is a path.
 */
import type { Entry, Index, MemberId, Term } from "./message.ts";
import { Violation } from "./violation.ts";

export interface LogNode {
  readonly index: Index;
  readonly term: Term;
  /** Undefined before the first entry, below a snapshot whose past was never seen, and where the past was pruned. */
  previous: LogNode | undefined;
  /** Undefined before the first entry, and for the end of a past that was never seen. */
  readonly entry: Entry | undefined;
  /** Another entry at the same index, of another term. */
  sibling: LogNode | undefined;
  /** Term of the leader that first committed it. Along the committed history it never decreases. */
  committedIn: Term;
  /** State machine after this entry, by the first member that applied it. */
  stateHash: number | undefined;
  stateHashBy: MemberId;
}

export class LogTree {
  /** Stands before the first entry. */
  readonly root: LogNode = newNode(0, 0, undefined, undefined);
  /** By index, the newest node; others of that index behind `sibling`. */
  readonly #newest = new Map<Index, LogNode>();
  #pruned: Index = 0;

  /** The node of a member's entry, new or known; a known one must hold the same entry after the same log. */
  add(member: MemberId, previous: LogNode, entry: Entry): LogNode {
    const known = this.#find(entry.index, entry.term);
    if (known === undefined) return this.#insert(newNode(entry.index, entry.term, previous, entry));
    // The end of an unseen past, which is now seen: only the term could be compared.
    if (known.entry === undefined) return known;
    if (known.previous !== previous && known.previous?.entry !== undefined && previous.entry !== undefined)
      throw mismatch(
        member,
        entry,
        `follows term ${previous.term} on n${member}, and term ${known.previous.term} elsewhere`,
      );
    if (!sameEntry(known.entry, entry))
      throw mismatch(member, entry, `is another on n${member} than elsewhere`);
    return known;
  }

  /** The node under the first entry of a log that begins after a snapshot. */
  base(index: Index, term: Term): LogNode {
    if (index === 0) return this.root;
    return this.#find(index, term) ?? this.#insert(newNode(index, term, undefined, undefined));
  }

  /** Forgets what lies before `index`. */
  prune(index: Index): void {
    for (let dead = this.#pruned; dead < index; dead++) this.#newest.delete(dead);
    this.#pruned = index;
    for (let known = this.#newest.get(index); known !== undefined; known = known.sibling)
      known.previous = undefined;
  }

  #find(index: Index, term: Term): LogNode | undefined {
    let known = this.#newest.get(index);
    while (known !== undefined && known.term !== term) known = known.sibling;
    return known;
  }

  #insert(added: LogNode): LogNode {
    added.sibling = this.#newest.get(added.index);
    this.#newest.set(added.index, added);
    return added;
  }
}

/** A path in the tree: nodes at indexes [base, last]; the node at `base` stands for all that went before. */
export class LogPath {
  #base: Index;
  #nodes: LogNode[];
  /** Index of `#nodes[0]`; not above `#base`. */
  #offset: Index;

  constructor(first: LogNode) {
    this.#base = first.index;
    this.#offset = first.index;
    this.#nodes = [first];
  }

  get base(): Index {
    return this.#base;
  }

  get last(): LogNode {
    return this.#nodes[this.#nodes.length - 1]!;
  }

  at(index: Index): LogNode | undefined {
    return index < this.#base ? undefined : this.#nodes[index - this.#offset];
  }

  /** Whether the log contains the node; what lies up to `base` was committed, and is. */
  holds(node: LogNode): boolean {
    return node.index <= this.#base || this.#nodes[node.index - this.#offset] === node;
  }

  /** Replaces what is at the node's index and after it. */
  put(node: LogNode): void {
    const position = node.index - this.#offset;
    if (position < this.#nodes.length) this.#nodes.length = position;
    this.#nodes.push(node);
  }

  restart(first: LogNode): void {
    this.#base = first.index;
    this.#offset = first.index;
    this.#nodes = [first];
  }

  /** Moves `base` up. The array is cut rarely, so that the cost per entry stays constant. */
  compact(base: Index): void {
    if (base <= this.#base || base > this.last.index) return;
    this.#base = base;
    const dead = base - this.#offset;
    if (dead < 256 || dead * 2 < this.#nodes.length) return;
    this.#nodes = this.#nodes.slice(dead);
    this.#offset = base;
  }
}

/** Entries of one index: do they say the same? */
export function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.term !== b.term || a.kind !== b.kind || !sameBytes(a.data, b.data)) return false;
  return a.kind !== "config" || b.kind !== "config" || sameChange(a, b);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

type ConfigEntry = Extract<Entry, { readonly kind: "config" }>;

function sameChange(a: ConfigEntry, b: ConfigEntry): boolean {
  const { changes, transition } = a.change;
  return (
    transition === b.change.transition &&
    changes.length === b.change.changes.length &&
    changes.every((change, position) => {
      const other = b.change.changes[position]!;
      return change.type === other.type && change.member === other.member;
    })
  );
}

function newNode(index: Index, term: Term, previous: LogNode | undefined, entry: Entry | undefined): LogNode {
  return {
    index,
    term,
    previous,
    entry,
    sibling: undefined,
    committedIn: 0,
    stateHash: undefined,
    stateHashBy: 0,
  };
}

function mismatch(member: MemberId, entry: Entry, how: string): Violation {
  const { index, term } = entry;
  return new Violation(
    "log-matching",
    member,
    term,
    index,
    `the entry at index ${index} of term ${term} ${how}`,
  );
}
