/**
 * Connections within the process: messages pass by reference, each as an event of its own. The dialling end may pause:
 * what is sent to it meanwhile counts as buffered, so that a slow reader outside holds back whoever feeds it.
 */
import type { Connection, ConnectionHandlers, Network } from "../../src/runtime/runtime.ts";
import type { EventLoop } from "./event-loop.ts";
import type { Listener } from "./network.ts";

export class Loopback implements Pick<Network, "dial"> {
  readonly #loop: EventLoop;
  readonly #listeners: ReadonlyMap<string, Listener>;
  readonly #ends = new Set<End>();
  #paused = false;

  constructor(loop: EventLoop, listeners: ReadonlyMap<string, Listener>) {
    this.#loop = loop;
    this.#listeners = listeners;
  }

  /** Keeps back what is sent to the dialling ends from now on. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const end of this.#ends) end.deliver();
  }

  /** The member is gone: tells the dialling ends, which outlive it. */
  end(reason: string): void {
    for (const end of [...this.#ends]) end.cut(reason);
  }

  /** `address` is "anything:port". */
  dial<M>(address: string, _protocol: unknown, handlers: ConnectionHandlers<M>): Connection<M> {
    const loopback = this;
    const here = new End("local", this.#loop, {
      get paused() {
        return loopback.#paused;
      },
    });
    const there = new End("local", this.#loop, { paused: false });
    here.other = there;
    there.other = here;
    here.handlers = handlers as ConnectionHandlers<unknown>;
    this.#ends.add(here);
    here.ended = () => this.#ends.delete(here);
    if (!this.#loop.alive) setImmediate(() => here.cut("connection refused"));
    this.#loop.defer(() => {
      const listener = this.#listeners.get(address.slice(address.lastIndexOf(":") + 1));
      if (listener === undefined) {
        here.cut("connection refused");
        return;
      }
      there.handlers = listener.accept(there);
      handlers.opened?.();
      there.deliver();
    });
    return here as unknown as Connection<M>;
  }
}

class End implements Connection<unknown> {
  readonly peer: string;
  handlers: ConnectionHandlers<unknown> | undefined;
  other: End | undefined;
  ended: () => void = () => {};
  readonly #loop: EventLoop;
  readonly #gate: { readonly paused: boolean };
  /** On the way to this end. */
  #inbox: unknown[] = [];
  #ending: string | undefined;
  #scheduled = false;
  #closed = false;

  constructor(peer: string, loop: EventLoop, gate: { readonly paused: boolean }) {
    this.peer = peer;
    this.#loop = loop;
    this.#gate = gate;
  }

  get buffered(): number {
    return this.other?.inbox ?? 0;
  }

  get inbox(): number {
    return this.#inbox.length;
  }

  send(message: unknown): void {
    if (!this.#closed) this.other?.receive(message);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox = [];
    this.ended();
    this.other?.end("closed by the other end");
  }

  receive(message: unknown): void {
    if (this.#closed) return;
    this.#inbox.push(message);
    this.deliver();
  }

  /** Hands over what has come, at the end of this turn. */
  deliver(): void {
    const idle = this.#inbox.length === 0 && this.#ending === undefined;
    if (this.#scheduled || idle || this.handlers === undefined || this.#gate.paused) return;
    this.#scheduled = true;
    this.#loop.defer(() => {
      this.#scheduled = false;
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const [done, message] of inbox.entries()) {
        if (this.#closed) return;
        if (this.#gate.paused) {
          this.#inbox = [...inbox.slice(done), ...this.#inbox];
          return;
        }
        this.#loop.run(() => this.handlers?.message(message));
      }
      if (this.#ending !== undefined && this.#inbox.length === 0) this.cut(this.#ending);
    });
  }

  /** The other end has closed: this one learns of it after all that was sent. */
  end(reason: string): void {
    this.#ending = reason;
    this.deliver();
  }

  /** Ends at once, also when the member no longer runs. */
  cut(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox = [];
    this.ended();
    this.handlers?.closed(reason);
  }
}
