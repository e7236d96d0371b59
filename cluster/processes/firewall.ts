/**
 * Link faults as rules of nftables on the bridge between the members: text for `nft -f`, nothing is run here.
 *
 * Every fault has a chain with a counter of its own, and one chain of jumps decides which of them are in force. nft
 * carries a text out in one transaction, so a partition of any shape begins and ends at one moment, and the counters
 * of other faults go on counting.
 */
import type { LinkFault } from "../../src/cluster.ts";

const TABLE = "bridge faultline";

/** Directed pairs of IP addresses. */
export type AddressPairs = readonly (readonly [from: string, to: string])[];

/** A table that lets everything pass. */
export function emptyTable(): string {
  return [
    `add table ${TABLE}`,
    `add chain ${TABLE} forward { type filter hook forward priority -300; policy accept; }`,
    "",
  ].join("\n");
}

/** What of a fault a firewall can do. Text that says what it cannot, or undefined. */
export function unable(fault: LinkFault): string | undefined {
  const { delay, jitter, duplicate, reorder, corrupt } = fault;
  const missing = Object.entries({ delay, jitter, duplicate, reorder, corrupt })
    .filter(([, amount]) => amount !== undefined && amount > 0)
    .map(([name]) => name);
  return missing.length === 0 ? undefined : missing.join(", ");
}

/**
 * Puts fault `id` in force beside those of `others`.
 *
 * What holds a stream back and what cuts a link is the same here: TCP keeps what is dropped and sends it again.
 */
export function addFault(
  id: number,
  pairs: AddressPairs,
  fault: LinkFault,
  others: readonly number[],
): string {
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
    `add counter ${TABLE} ${counter(id)}`,
    `add chain ${TABLE} ${chain(id)}`,
    ...rules.map((rule) => `add rule ${TABLE} ${chain(id)} ${rule}`),
    ...jumps([...others, id]),
    "",
  ].join("\n");
}

/** Takes a fault out of force, and keeps its counter. */
export function endFault(others: readonly number[]): string {
  return [...jumps(others), ""].join("\n");
}

/** Forgets a fault that is not in force any more. */
export function forgetFault(id: number): string {
  return [`delete chain ${TABLE} ${chain(id)}`, `delete counter ${TABLE} ${counter(id)}`, ""].join("\n");
}

/** The words of an `nft` that prints the counter of a fault as JSON. */
export function askCounter(id: number): readonly string[] {
  return ["-j", "list", "counter", ...TABLE.split(" "), counter(id)];
}

/** Packets that a fault dropped, out of what `askCounter` printed. */
export function packetsOf(json: string): number {
  const { nftables } = JSON.parse(json) as {
    readonly nftables: readonly { readonly counter?: { readonly packets: number } }[];
  };
  const found = nftables.find((entry) => entry.counter !== undefined)?.counter;
  if (found === undefined) throw new Error(`nft told of no counter: ${json}`);
  return found.packets;
}

function jumps(ids: readonly number[]): string[] {
  return [`flush chain ${TABLE} forward`, ...ids.map((id) => `add rule ${TABLE} forward jump ${chain(id)}`)];
}

function chain(id: number): string {
  return `fault-${id}`;
}

function counter(id: number): string {
  return `dropped-${id}`;
}
