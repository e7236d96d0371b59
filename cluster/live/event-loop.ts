/**
 * One member's share of Node's event loop. Every callback of a socket, a file or a timer is one event of the member,
 * and goes through `run`; what events defer runs once the operating system has nothing more to tell in this turn, so
 * that a burst of requests becomes one batch; then what was sent leaves, in one write per connection.
 */
export class EventLoop {
  readonly #crashed: (error: unknown) => void;
  #alive = true;
  #deferred: (() => void)[] = [];
  #flushes: (() => void)[] = [];
  #armed = false;

  /** `crashed` is told of what an event throws. */
  constructor(crashed: (error: unknown) => void) {
    this.#crashed = crashed;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** No event runs any more. What was sent before still leaves. */
  end(): void {
    this.#alive = false;
    this.#deferred = [];
  }

  run(event: () => void): void {
    if (!this.#alive) return;
    try {
      event();
    } catch (error) {
      this.#crashed(error);
    }
  }

  /** Runs `body` at the end of this turn, in the order of the calls, as an event of its own. */
  defer(body: () => void): void {
    if (!this.#alive) return;
    this.#deferred.push(body);
    this.#arm();
  }

  /** Runs `flush` after everything deferred, also after the end of the member. */
  flushLater(flush: () => void): void {
    this.#flushes.push(flush);
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    // What is deferred meanwhile belongs to this turn too: the list grows under the loop.
    for (let next = 0; next < this.#deferred.length; next++) this.run(this.#deferred[next] as () => void);
    this.#deferred = [];
    const flushes = this.#flushes;
    this.#flushes = [];
    this.#armed = false;
    for (const flush of flushes) flush();
  };
}
