/**
 * Link faults as rules of nftables on the bridge between the members: commands for `nft`, nothing is run here.
 *
 * Every fault has a chain with a counter of its own, and one chain of jumps decides which of them are in force. nft
 * carries a text out in one transaction, so a partition of any shape begins and ends at one moment, and the counters
 * of other faults go on counting.
 */
import type { LinkFault } from "../../src/cluster.ts";

/** Directed pairs of IP addresses. */
export type AddressPairs = readonly (readonly [from: string, to: string])[];

/** What of a fault a firewall can do. Text that says what it cannot, or undefined. */
export function unable(fault: LinkFault): string | undefined {
  const { delay, jitter, duplicate, reorder, corrupt } = fault;
  const missing = Object.entries({ delay, jitter, duplicate, reorder, corrupt })
    .filter(([, amount]) => amount !== undefined && amount > 0)
    .map(([name]) => name);
  return missing.length === 0 ? undefined : missing.join(", ");
}

export class Firewall {
  /** The table, as nft wants it: its family and its name. */
  readonly table: string;

  constructor(name: string) {
    this.table = `bridge ${name}`;
  }

  /** A table that lets everything pass. */
  empty(): string {
    return [
      `add table ${this.table}`,
      `add chain ${this.table} forward { type filter hook forward priority -300; policy accept; }`,
      "",
    ].join("\n");
  }

  /**
   * Puts fault `id` in force beside those of `others`.
   *
   * What holds a stream back and what cuts a link is the same here: TCP keeps what is dropped and sends it again.
   */
  add(id: number, pairs: AddressPairs, fault: LinkFault, others: readonly number[]): string {
    const rules: string[] = [];
    const drop = `counter name ${counter(id)} drop`;
    const all = `ip saddr . ip daddr { ${pairs.map(([from, to]) => `${from} . ${to}`).join(", ")} }`;
    if (fault.cut === true || fault.hold === true) rules.push(`${all} ${drop}`);
    if (fault.loss !== undefined && fault.loss >= 1e-6)
      rules.push(`${all} numgen random mod 1000000 <= ${Math.round(fault.loss * 1e6) - 1} ${drop}`);
    // A limit is a bucket of the rule that names it: each direction of each link has its own.
    if (fault.rate !== undefined)
      for (const [from, to] of pairs)
        rules.push(
          `ip saddr ${from} ip daddr ${to} limit rate over ${Math.max(1, Math.round(fault.rate))}/second ${drop}`,
        );
    return [
      `add counter ${this.table} ${counter(id)}`,
      `add chain ${this.table} ${chain(id)}`,
      ...rules.map((rule) => `add rule ${this.table} ${chain(id)} ${rule}`),
      ...this.#jumps([...others, id]),
      "",
    ].join("\n");
  }

  /** Leaves these faults in force and takes out all others, but keeps their counters. */
  leave(others: readonly number[]): string {
    return [...this.#jumps(others), ""].join("\n");
  }

  /** Forgets a fault that is not in force any more. */
  forget(id: number): string {
    return [
      `delete chain ${this.table} ${chain(id)}`,
      `delete counter ${this.table} ${counter(id)}`,
      "",
    ].join("\n");
  }

  /** The words of an \`nft\` that prints the counter of a fault as JSON. */
  askCounter(id: number): readonly string[] {
    return ["-j", "list", "counter", ...this.table.split(" "), counter(id)];
  }

  #jumps(ids: readonly number[]): string[] {
    return [
      `flush chain ${this.table} forward`,
      ...ids.map((id) => `add rule ${this.table} forward jump ${chain(id)}`),
    ];
  }
}

/** Packets that a fault dropped, out of what the words of \`askCounter\` printed. */
export function packetsOf(json: string): number {
  const { nftables } = JSON.parse(json) as {
    readonly nftables: readonly { readonly counter?: { readonly packets: number } }[];
  };
  const found = nftables.find((entry) => entry.counter !== undefined)?.counter;
  if (found === undefined) throw new Error(`nft told of no counter: ${json}`);
  return found.packets;
}

function chain(id: number): string {
  return `fault-${id}`;
}

function counter(id: number): string {
  return `dropped-${id}`;
}
