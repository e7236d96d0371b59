/** Links between members that are spoilt by a firewall on the bridge between them. */
import type { LinkFault, LinkHandle, Links } from "../../src/cluster.ts";
import type { Json, NodeId } from "../../src/history/op.ts";
import { type AddressPairs, type Firewall, packetsOf, unable } from "./firewall.ts";

/** Where the members' traffic passes. */
export interface Switch {
  readonly firewall: Firewall;
  address(node: NodeId): string;
  /** The tester's own address, as members see it. */
  readonly tester: string;
  /** Runs nft where the bridge is, and gives what it prints. One word of many commands is one transaction. */
  nft(words: readonly string[]): Promise<string>;
  /** Ends every connection between a member and an address, with a reset. Gives how many sockets that were. */
  reset(node: NodeId, address: string): Promise<number>;
}

export class FirewallLinks implements Links {
  readonly #switch: Switch;
  readonly #active: number[] = [];
  #next = 1;
  /** Changes one after the other: each names all faults that are in force. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(where: Switch) {
    this.#switch = where;
  }

  async spoil(
    pairs: readonly (readonly [from: NodeId, to: NodeId])[],
    fault: LinkFault,
  ): Promise<LinkHandle> {
    const cannot = unable(fault);
    if (cannot !== undefined) throw new Error(`a firewall cannot do this to links: ${cannot}`);
    if (pairs.length === 0) return { heal: async () => ({ dropped: 0 }) };
    const id = this.#next++;
    const { firewall } = this.#switch;
    const addresses: AddressPairs = pairs.map(([from, to]) => [
      this.#switch.address(from),
      this.#switch.address(to),
    ]);
    await this.#change(async () => {
      await this.#switch.nft([firewall.add(id, addresses, fault, this.#active)]);
      this.#active.push(id);
    });
    let healed: Promise<{ readonly dropped: number }> | undefined;
    return {
      heal: () => {
        healed ??= this.#change(() => this.#heal(id)).catch((error: unknown) => {
          healed = undefined;
          throw error;
        });
        return healed;
      },
    };
  }

  async #heal(id: number): Promise<{ readonly dropped: number }> {
    const { firewall } = this.#switch;
    const others = this.#active.filter((other) => other !== id);
    await this.#switch.nft([firewall.leave(others)]);
    this.#active.splice(0, this.#active.length, ...others);
    const dropped = packetsOf(await this.#switch.nft(firewall.askCounter(id)));
    await this.#switch.nft([firewall.forget(id)]);
    return { dropped };
  }

  async reset(a: NodeId, b: NodeId): Promise<Json> {
    return { sockets: await this.#switch.reset(a, this.#switch.address(b)) };
  }

  async resetClients(node: NodeId): Promise<Json> {
    return { sockets: await this.#switch.reset(node, this.#switch.tester) };
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
