import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LinkFault } from "../../src/cluster.ts";
import {
  type Connection,
  type ConnectionHandlers,
  MICROSECOND,
  MILLISECOND,
  type NodeRuntime,
  type Protocol,
  SECOND,
} from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import { Host } from "./host.ts";
import { type NetworkOptions, type Passage, SimulatedNetwork } from "./network.ts";

const SEED = 20_240_503;

interface Numbered {
  readonly number: number;
}

const NUMBERED: Protocol<Numbered> = {
  name: "numbered",
  encode: ({ number }) => new Uint8Array([number >> 8, number & 255]),
  decode: (bytes) => {
    if (bytes.length !== 2) throw new Error("malformed");
    return { number: ((bytes[0] as number) << 8) | (bytes[1] as number) };
  },
};

/** Every message takes exactly one millisecond, give or take the half that is the pair's own. */
const STEADY: Partial<NetworkOptions> = {
  latency: { mean: MILLISECOND, jitter: 0, tailProbability: 0, tail: 0 },
};

/** What one end of a connection has seen. */
class Witness implements ConnectionHandlers<Numbered> {
  readonly numbers: number[] = [];
  readonly times: number[] = [];
  openedAt: number | undefined;
  closed_: string | undefined;
  closedAt: number | undefined;
  connection: Connection<Numbered> | undefined;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  opened(): void {
    this.openedAt = this.#world.now;
  }

  message({ number }: Numbered): void {
    this.numbers.push(number);
    this.times.push(this.#world.now);
  }

  closed(reason: string): void {
    if (this.closed_ !== undefined) throw new Error("closed twice");
    this.closed_ = reason;
    this.closedAt = this.#world.now;
  }
}

/** Two machines; n2 accepts, n1 dials. */
class Pair {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly n1: Host;
  readonly n2: Host;
  /** What n2 accepted, oldest first. */
  readonly accepted: Witness[] = [];
  runtime: NodeRuntime | undefined;

  constructor(options: Partial<NetworkOptions> = STEADY, seed = 1) {
    this.world = new World(seed);
    this.network = new SimulatedNetwork(this.world, options);
    this.n1 = new Host(this.world, this.network, "n1");
    this.n2 = new Host(this.world, this.network, "n2");
    this.n1.start((runtime) => {
      this.runtime = runtime;
    });
    this.serve();
  }

  serve(): void {
    this.n2.start(({ network }) =>
      network.listen("peer", NUMBERED, (connection) => {
        const witness = new Witness(this.world);
        witness.connection = connection;
        this.accepted.push(witness);
        return witness;
      }),
    );
  }

  dial(address = "n2:peer"): Witness {
    const witness = new Witness(this.world);
    witness.connection = (this.runtime as NodeRuntime).network.dial(address, NUMBERED, witness);
    return witness;
  }

  /** A connection that is open at both ends. */
  connect(): { client: Witness; server: Witness } {
    const client = this.dial();
    this.world.runFor(SECOND);
    expect(client.openedAt).toBeDefined();
    return { client, server: this.accepted.at(-1) as Witness };
  }

  spoil(fault: LinkFault, direction: "there" | "back" | "both" = "both") {
    const there = ["n1", "n2"] as const;
    const back = ["n2", "n1"] as const;
    return this.network.spoil(
      direction === "both" ? [there, back] : direction === "there" ? [there] : [back],
      fault,
    );
  }
}

function send(witness: Witness, from: number, to = from): void {
  for (let number = from; number <= to; number++) witness.connection?.send({ number });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

describe("stream", () => {
  it("opens after a round trip, and delivers what was sent before in order", () => {
    const pair = new Pair();
    const client = pair.dial();
    send(client, 1, 3);
    expect(client.connection?.buffered).toBeGreaterThanOrEqual(3);
    pair.world.runFor(SECOND);
    const server = pair.accepted[0] as Witness;
    expect(server.numbers).toEqual([1, 2, 3]);
    expect(server.connection?.peer).toBe("n1");
    // One way takes between 0.5 and 1.5 ms.
    expect(client.openedAt).toBeGreaterThanOrEqual(MILLISECOND);
    expect(client.openedAt).toBeLessThanOrEqual(3 * MILLISECOND);
    expect(server.times[0]).toBeGreaterThanOrEqual((client.openedAt as number) + MILLISECOND / 2);
    expect(client.connection?.buffered).toBe(0);
    send(server, 9);
    pair.world.runFor(SECOND);
    expect(client.numbers).toEqual([9]);
  });

  it("closes after what was sent; the own end hears nothing", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    send(client, 1, 5);
    client.connection?.close();
    send(client, 6);
    pair.world.runFor(SECOND);
    expect(server.numbers).toEqual([1, 2, 3, 4, 5]);
    expect(server.closed_).toBe("closed by peer");
    expect(client.closed_).toBeUndefined();
  });

  it("tells a host without the port, a port nobody listens on, and an unknown host apart from silence", () => {
    const pair = new Pair();
    const wrongPort = pair.dial("n2:other");
    const unknown = pair.dial("n7:peer");
    pair.world.runFor(10 * MILLISECOND);
    expect(wrongPort.closed_).toBe("refused");
    expect(unknown.closed_).toBe("unknown host");
    pair.n2.kill();
    const noProcess = pair.dial();
    pair.world.runFor(10 * MILLISECOND);
    expect(noProcess.closed_).toBe("refused");
    pair.n2.powerOff();
    const noPower = pair.dial();
    pair.world.runFor(4 * SECOND);
    expect(noPower.closed_).toBeUndefined();
    pair.world.runFor(2 * SECOND);
    expect(noPower.closed_).toBe("connect timeout");
  });

  it("gets through to a host whose power comes back before the dial gives up", () => {
    const pair = new Pair();
    pair.n2.powerOff();
    const client = pair.dial();
    pair.world.runFor(2 * SECOND);
    pair.serve();
    pair.world.runFor(2 * SECOND);
    expect(client.openedAt).toBeGreaterThan(2 * SECOND);
    expect(client.closed_).toBeUndefined();
  });

  it("says goodbye for a process that is killed", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    send(server, 1, 3);
    pair.n2.kill();
    pair.world.runFor(10 * MILLISECOND);
    expect(client.numbers).toEqual([1, 2, 3]);
    expect(client.closed_).toBe("closed by peer");
  });

  it("loses with a killed process what its kernel had not taken yet", () => {
    const pair = new Pair({ ...STEADY, window: 10 });
    const { client, server } = pair.connect();
    send(server, 1, 30);
    expect(server.connection?.buffered).toBe(20);
    pair.n2.kill();
    pair.world.runFor(SECOND);
    expect(client.numbers).toEqual(range(1, 10));
    expect(client.closed_).toBe("closed by peer");
  });

  describe("half open", () => {
    it("breaks by its own patience when the peer's power is gone", () => {
      const pair = new Pair();
      const { client } = pair.connect();
      const lost = pair.world.now;
      pair.n2.powerOff();
      pair.world.runFor(14 * SECOND);
      expect(client.closed_).toBeUndefined();
      pair.world.runFor(3 * SECOND);
      expect(client.closed_).toBe("timeout");
      expect((client.closedAt as number) - lost).toBeGreaterThanOrEqual(15 * SECOND);
    });

    it("is reset on the first message to a peer that has booted again", () => {
      const pair = new Pair();
      const { client } = pair.connect();
      pair.n2.powerOff();
      pair.world.runFor(SECOND);
      pair.serve();
      pair.world.runFor(SECOND);
      expect(client.closed_).toBeUndefined();
      send(client, 1);
      pair.world.runFor(10 * MILLISECOND);
      expect(client.closed_).toBe("reset by peer");
      expect(pair.accepted.flatMap(({ numbers }) => numbers)).toEqual([]);
    });

    it("happens to the end that is left when the other has run out of patience", () => {
      const pair = new Pair({ ...STEADY, breakAfter: 2 * SECOND });
      const { client, server } = pair.connect();
      const cut = pair.spoil({ cut: true });
      // Patience differs between the ends by up to a tenth.
      expect(
        pair.world.runUntil(() => client.closed_ !== undefined || server.closed_ !== undefined, 10 * SECOND),
      ).toBe("done");
      const [gone, left] = client.closed_ === undefined ? [server, client] : [client, server];
      expect(gone.closed_).toBe("timeout");
      expect(left.closed_).toBeUndefined();
      cut.heal();
      send(left, 1);
      pair.world.runFor(50 * MILLISECOND);
      expect(left.closed_).toBe("reset by peer");
      expect(gone.numbers).toEqual([]);
    });

    it("loses the goodbye of a killed process with the power of its host", () => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      const cut = pair.spoil({ cut: true }, "back");
      send(server, 1);
      pair.n2.kill();
      pair.n2.powerOff();
      cut.heal();
      pair.world.runFor(14 * SECOND);
      expect(client.numbers).toEqual([]);
      expect(client.closed_).toBeUndefined();
      pair.world.runFor(4 * SECOND);
      expect(client.closed_).toBe("timeout");
    });
  });

  describe("cut", () => {
    it("keeps messages and delivers them in order after healing, with evidence", () => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      const cut = pair.spoil({ cut: true });
      send(client, 1, 100);
      pair.world.runFor(5 * SECOND);
      expect(server.numbers).toEqual([]);
      expect(client.connection?.buffered).toBe(100);
      expect(cut.heal()).toEqual({ held: 100 });
      pair.world.runFor(SECOND);
      expect(server.numbers).toEqual(range(1, 100));
      expect(client.closed_).toBeUndefined();
      expect(client.connection?.buffered).toBe(0);
      expect(cut.heal()).toEqual({ held: 100 });
    });

    it("stops what is on the wire already", () => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      send(client, 1);
      const cut = pair.spoil({ cut: true });
      pair.world.runFor(SECOND);
      expect(server.numbers).toEqual([]);
      expect(cut.effects()).toEqual({ held: 1 });
    });

    it("breaks a connection at each end by itself when it lasts", () => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      const start = pair.world.now;
      pair.spoil({ cut: true });
      pair.world.runFor(20 * SECOND);
      for (const end of [client, server]) {
        expect(end.closed_).toBe("timeout");
        expect((end.closedAt as number) - start).toBeGreaterThanOrEqual(15 * SECOND);
        expect((end.closedAt as number) - start).toBeLessThanOrEqual(16.5 * SECOND);
      }
      expect(client.closedAt).not.toBe(server.closedAt);
    });

    it("leaves no trace on an idle connection when it is shorter", () => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      for (let i = 0; i < 5; i++) {
        const cut = pair.spoil({ cut: true });
        pair.world.runFor(14 * SECOND);
        expect(cut.heal()).toEqual({});
        pair.world.runFor(SECOND);
      }
      send(client, 1);
      pair.world.runFor(SECOND);
      expect(server.numbers).toEqual([1]);
      expect(client.closed_).toBeUndefined();
    });

    it.each(["there", "back"] as const)("can be one-way: %s", (direction) => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      pair.spoil({ cut: true }, direction);
      send(client, 1);
      send(server, 2);
      pair.world.runFor(5 * SECOND);
      expect(server.numbers).toEqual(direction === "there" ? [] : [1]);
      expect(client.numbers).toEqual(direction === "there" ? [2] : []);
      // Either way the acknowledgements of one end are missing, and both notice.
      pair.world.runFor(20 * SECOND);
      expect([client.closed_, server.closed_]).toEqual(["timeout", "timeout"]);
    });

    it("makes a dial time out, also when only the answer cannot come back", () => {
      for (const direction of ["there", "back"] as const) {
        const pair = new Pair();
        const cut = pair.spoil({ cut: true }, direction);
        const client = pair.dial();
        pair.world.runFor(6 * SECOND);
        expect(client.closed_).toBe("connect timeout");
        expect(cut.effects()).toEqual({ held: 1 });
        expect(pair.accepted).toHaveLength(direction === "there" ? 0 : 1);
        cut.heal();
        pair.world.runFor(SECOND);
        if (direction === "back") expect(pair.accepted[0]?.closed_).toBe("reset by peer");
      }
    });

    it("costs a retransmission after healing, which a hold does not", () => {
      const wait = (fault: LinkFault) => {
        const pair = new Pair();
        const { client, server } = pair.connect();
        const spoil = pair.spoil(fault);
        send(client, 1);
        pair.world.runFor(SECOND);
        const healed = pair.world.now;
        spoil.heal();
        pair.world.runFor(SECOND);
        return (server.times[0] as number) - healed;
      };
      expect(wait({ hold: true })).toBeLessThan(2 * MILLISECOND);
      expect(wait({ cut: true })).toBeGreaterThanOrEqual(100 * MILLISECOND);
    });

    it("swallows a reset, so that the other end is half open", () => {
      const pair = new Pair();
      const { client } = pair.connect();
      pair.n2.powerOff();
      pair.serve();
      send(client, 1);
      pair.spoil({ cut: true }, "back");
      pair.world.runFor(10 * SECOND);
      expect(client.closed_).toBeUndefined();
      pair.world.runFor(10 * SECOND);
      expect(client.closed_).toBe("timeout");
    });

    it("lasts until the last of several is healed", () => {
      const pair = new Pair();
      const { client, server } = pair.connect();
      const first = pair.spoil({ cut: true });
      const second = pair.spoil({ hold: true }, "there");
      send(client, 1);
      first.heal();
      pair.world.runFor(SECOND);
      expect(server.numbers).toEqual([]);
      expect(second.heal()).toEqual({ held: 1 });
      pair.world.runFor(SECOND);
      expect(server.numbers).toEqual([1]);
    });
  });

  it("is held for as long as one likes without breaking", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    const hold = pair.spoil({ hold: true });
    send(client, 1, 10);
    pair.world.runFor(300 * SECOND);
    expect([client.closed_, server.closed_, server.numbers.length]).toEqual([undefined, undefined, 0]);
    expect(hold.heal()).toEqual({ held: 10 });
    pair.world.runFor(10 * MILLISECOND);
    expect(server.numbers).toEqual(range(1, 10));
  });

  it("breaks at both ends on a reset, once", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    expect(pair.network.reset("n2", "n1")).toBe(1);
    pair.world.runFor(1);
    expect([client.closed_, server.closed_]).toEqual(["reset", "reset"]);
    expect(pair.network.reset("n2", "n1")).toBe(0);
    const again = pair.connect();
    expect(again.client.closed_).toBeUndefined();
  });

  it("turns loss into delay", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    const start = pair.world.now;
    const loss = pair.spoil({ loss: 0.5 });
    send(client, 1, 20);
    pair.world.runFor(60 * SECOND);
    expect(server.numbers).toEqual(range(1, 20));
    expect((server.times.at(-1) as number) - start).toBeGreaterThan(200 * MILLISECOND);
    expect(loss.heal()).toEqual({ delayed: expect.any(Number) });
  });

  it("adds delays of several faults", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    const faults = [
      pair.spoil({ delay: 100 * MILLISECOND }),
      pair.spoil({ delay: 50 * MILLISECOND }, "there"),
    ];
    const start = pair.world.now;
    send(client, 1);
    pair.world.runFor(SECOND);
    expect((server.times[0] as number) - start).toBeGreaterThanOrEqual(150 * MILLISECOND);
    expect((server.times[0] as number) - start).toBeLessThan(152 * MILLISECOND);
    expect(faults.map((fault) => fault.heal())).toEqual([{ delayed: 1 }, { delayed: 1 }]);
  });

  it("is slowed to a rate, and pushes back", () => {
    const pair = new Pair({ ...STEADY, window: 10 });
    const { client, server } = pair.connect();
    const slow = pair.spoil({ rate: 100 });
    send(client, 1, 50);
    pair.world.runFor(200 * MILLISECOND);
    expect(server.numbers.length).toBeGreaterThanOrEqual(19);
    expect(server.numbers.length).toBeLessThanOrEqual(21);
    expect(client.connection?.buffered).toBe(50 - server.numbers.length - 10);
    pair.world.runFor(SECOND);
    expect(server.numbers).toEqual(range(1, 50));
    expect(slow.heal()).toEqual({ limited: 49 });
  });

  it("breaks at both ends when a message arrives altered, which is not delivered", () => {
    const pair = new Pair();
    const { client, server } = pair.connect();
    const corrupt = pair.spoil({ corrupt: 1 }, "there");
    send(client, 1, 3);
    pair.world.runFor(SECOND);
    expect([client.closed_, server.closed_]).toEqual(["corrupted", "corrupted"]);
    expect(server.numbers).toEqual([]);
    expect(corrupt.heal()).toEqual({ corrupted: 1 });
  });

  describe("to a paused process", () => {
    it("opens, fills the window, and is read in order on resume", () => {
      const pair = new Pair({ ...STEADY, window: 10 });
      pair.n2.pause();
      const client = pair.dial();
      pair.world.runFor(SECOND);
      expect(client.openedAt).toBeDefined();
      expect(pair.accepted).toEqual([]);
      send(client, 1, 40);
      pair.world.runFor(60 * SECOND);
      expect(client.connection?.buffered).toBe(30);
      expect(client.closed_).toBeUndefined();
      pair.n2.resume();
      pair.world.runFor(SECOND);
      expect(pair.accepted[0]?.numbers).toEqual(range(1, 40));
    });

    it("is told of its end when the process is killed instead", () => {
      const pair = new Pair();
      const { client } = pair.connect();
      pair.n2.pause();
      send(client, 1, 5);
      pair.world.runFor(SECOND);
      pair.n2.kill();
      pair.world.runFor(SECOND);
      expect(client.closed_).toMatch(/closed by peer|reset by peer/);
    });

    it("does not tell the process of an end that it has closed before it learnt", () => {
      const pair = new Pair();
      const { client } = pair.connect();
      // Due during the pause, before the reset: it closes the connection that is broken already.
      pair.runtime?.timer(5, () => client.connection?.close());
      pair.n1.pause();
      pair.world.runFor(10);
      pair.network.reset("n1", "n2");
      pair.world.runFor(10);
      pair.n1.resume();
      pair.world.runFor(SECOND);
      expect(client.closed_).toBeUndefined();
    });
  });

  it("joins a host to itself", () => {
    const pair = new Pair();
    pair.runtime?.network.listen("self", NUMBERED, (connection) => ({
      message: ({ number }) => connection.send({ number: number + 1 }),
      closed: () => {},
    }));
    const client = pair.dial("n1:self");
    send(client, 1);
    pair.world.runFor(SECOND);
    expect(client.numbers).toEqual([2]);
  });

  it("keeps its order, drops nothing and doubles nothing, whatever happens to the link", () => {
    const fault = fc.record(
      {
        cut: fc.boolean(),
        hold: fc.boolean(),
        delay: fc.integer({ min: 0, max: 500 * MILLISECOND }),
        jitter: fc.integer({ min: 0, max: 200 * MILLISECOND }),
        loss: fc.double({ min: 0, max: 0.9, noNaN: true }),
        duplicate: fc.double({ min: 0, max: 1, noNaN: true }),
        reorder: fc.double({ min: 0, max: 1, noNaN: true }),
        rate: fc.integer({ min: 10, max: 10_000 }),
        corrupt: fc.constantFrom(0, 0, 0, 0.1),
      },
      { requiredKeys: [] },
    );
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ wait: fc.integer({ min: 0, max: 3 * SECOND }) }),
      fc.record({ fault, direction: fc.constantFrom("there" as const, "back" as const, "both" as const) }),
      fc.record({ heal: fc.nat(10) }),
      fc.record({ pause: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.nat(1000), fc.boolean(), (steps, seed, codec) => {
        const pair = new Pair({ codec, loss: 0.01, breakAfter: 3 * SECOND }, seed);
        const { client, server } = pair.connect();
        const faults: ReturnType<Pair["spoil"]>[] = [];
        let sent = 0;
        for (const step of steps) {
          if ("send" in step) {
            send(client, sent + 1, sent + step.send);
            sent += step.send;
          } else if ("wait" in step) pair.world.runFor(step.wait);
          else if ("fault" in step) faults.push(pair.spoil(step.fault, step.direction));
          else if ("heal" in step) faults[step.heal % (faults.length || 1)]?.heal();
          else if (step.pause) pair.n2.pause();
          else pair.n2.resume();
        }
        pair.n2.resume();
        for (const fault of faults) fault.heal();
        pair.world.runFor(300 * SECOND);
        const whole = range(1, sent);
        expect(server.numbers).toEqual(whole.slice(0, server.numbers.length));
        // Only a connection that broke may have lost the rest, and then the sender knows.
        if (server.numbers.length < sent) expect(client.closed_).toBeDefined();
        if (client.closed_ === undefined) expect(server.closed_).toBeUndefined();
        expect(pair.world.crashes).toEqual([]);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

describe("datagrams", () => {
  /** n1 sends 0 … count - 1, one a millisecond; gives what arrives at n2, in order. */
  function shower(count: number, options: Partial<NetworkOptions>, fault?: LinkFault) {
    const pair = new Pair({ ...STEADY, ...options });
    const numbers: number[] = [];
    pair.n2.kill();
    pair.n2.start(({ network }) =>
      network.bind("udp", NUMBERED, (from, { number }) => {
        expect(from).toBe("n1");
        numbers.push(number);
      }),
    );
    const runtime = pair.runtime as NodeRuntime;
    const port = runtime.network.bind("udp", NUMBERED, () => {});
    const spoil = fault === undefined ? undefined : pair.spoil(fault);
    for (let number = 0; number < count; number++)
      runtime.timer(number * MILLISECOND, () => port.send("n2:udp", { number }));
    pair.world.runFor(60 * SECOND);
    expect(pair.world.crashes).toEqual([]);
    return { numbers, effects: spoil?.effects() ?? {}, pair, port, spoil };
  }

  it("arrive once and in order in fair weather", () => {
    expect(shower(500, {}).numbers).toEqual(range(0, 499));
  });

  it("are lost and doubled by the weather", () => {
    const { numbers } = shower(1000, { loss: 0.1, duplicate: 0.2 });
    const distinct = new Set(numbers);
    expect(distinct.size).toBeGreaterThan(800);
    expect(distinct.size).toBeLessThan(1000);
    expect(numbers.length).toBeGreaterThan(distinct.size + 50);
  });

  it("are lost by a fault, which counts them", () => {
    const { numbers, effects } = shower(1000, {}, { loss: 0.3 });
    expect(numbers.length).toBeLessThan(800);
    expect(effects).toEqual({ dropped: 1000 - numbers.length });
  });

  it("are doubled by a fault, which counts them", () => {
    const { numbers, effects } = shower(1000, {}, { duplicate: 0.3 });
    expect(new Set(numbers).size).toBe(1000);
    expect(numbers.length).toBeGreaterThan(1200);
    expect(effects).toEqual({ duplicated: numbers.length - 1000 });
  });

  it("are reordered by a fault, which loses none", () => {
    const { numbers, effects } = shower(1000, {}, { reorder: 0.3 });
    expect(numbers).not.toEqual(range(0, 999));
    expect([...numbers].sort((a, b) => a - b)).toEqual(range(0, 999));
    expect(effects.reordered).toBeGreaterThan(200);
  });

  it("are lost when altered", () => {
    const { numbers, effects } = shower(100, {}, { corrupt: 1 });
    expect(numbers).toEqual([]);
    expect(effects).toEqual({ corrupted: 100 });
  });

  it("vanish in a cut, and none comes back when it heals", () => {
    const { numbers, effects, spoil, pair, port } = shower(100, {}, { cut: true });
    expect(numbers).toEqual([]);
    expect(effects).toEqual({ dropped: 100 });
    spoil?.heal();
    pair.world.runFor(SECOND);
    expect(numbers).toEqual([]);
    port.send("n2:udp", { number: 7 });
    pair.world.runFor(SECOND);
    expect(numbers).toEqual([7]);
  });

  it("wait while they are held", () => {
    const { numbers, effects, spoil, pair } = shower(100, {}, { hold: true });
    expect(numbers).toEqual([]);
    expect(effects).toEqual({ held: 100 });
    spoil?.heal();
    pair.world.runFor(SECOND);
    expect(numbers.length).toBe(100);
  });

  it("queue for a limited rate, but not for long", () => {
    const { numbers, effects } = shower(1000, {}, { rate: 100 });
    // A second's worth of sending and a second's worth of queue.
    expect(numbers.length).toBeGreaterThanOrEqual(195);
    expect(numbers.length).toBeLessThanOrEqual(205);
    expect(effects.dropped).toBe(1000 - numbers.length);
  });

  it("to nobody are lost without a word", () => {
    const pair = new Pair();
    const port = pair.runtime?.network.bind("udp", NUMBERED, () => {});
    for (const address of ["n2:udp", "n9:udp", "nonsense"]) port?.send(address, { number: 1 });
    pair.world.runFor(SECOND);
    expect(pair.world.crashes).toEqual([]);
  });
});

describe("network", () => {
  it("passes messages by reference, and through the codec on request", () => {
    for (const codec of [false, true]) {
      const pair = new Pair({ ...STEADY, codec });
      const received: Numbered[] = [];
      pair.runtime?.network.listen("in", NUMBERED, () => ({
        message: (message) => received.push(message),
        closed: () => {},
      }));
      const original = { number: 300 };
      pair.dial("n1:in").connection?.send(original);
      pair.runtime?.network
        .bind("udp", NUMBERED, (_, message) => received.push(message))
        .send("n1:udp", original);
      pair.world.runFor(SECOND);
      expect(received).toEqual([original, original]);
      expect(received.map((message) => message === original)).toEqual([!codec, !codec]);
    }
  });

  it("makes a codec that loses something visible", () => {
    const lossy: Protocol<Numbered> = {
      ...NUMBERED,
      encode: ({ number }) => new Uint8Array([0, number & 255]),
    };
    const pair = new Pair({ ...STEADY, codec: true });
    const received: number[] = [];
    pair.runtime?.network
      .bind("udp", lossy, (_, { number }) => received.push(number))
      .send("n1:udp", { number: 300 });
    pair.world.runFor(SECOND);
    expect(received).toEqual([44]);
  });

  it("crashes the node that receives what it cannot decode", () => {
    const broken: Protocol<Numbered> = { ...NUMBERED, encode: () => new Uint8Array(1) };
    const pair = new Pair({ ...STEADY, codec: true });
    pair.runtime?.network
      .dial("n2:peer", broken, { message: () => {}, closed: () => {} })
      .send({ number: 1 });
    pair.world.runFor(SECOND);
    expect(pair.world.crashes.map(({ node }) => node)).toEqual(["n2"]);
    expect(pair.n2.state).toBe("dead");
  });

  it("joins clients, which live with the tester and can be cut off", async () => {
    const pair = new Pair();
    pair.n2.kill();
    pair.n2.start(({ network }) =>
      network.listen("api", NUMBERED, (connection) => ({
        message: ({ number }) => connection.send({ number: number * 2 }),
        closed: () => {},
      })),
    );
    const client = pair.network.clientEndpoint("c0");
    const ask = (number: number): Promise<number | string> =>
      new Promise((resolve) => {
        client
          .dial<Numbered>("n2:api", NUMBERED, {
            message: (answer) => resolve(answer.number),
            closed: resolve,
          })
          .send({ number });
      });
    const answers: (number | string)[] = [];
    const times: number[] = [];
    const work = (async () => {
      answers.push(await ask(4));
      times.push(pair.world.now);
      const cut = pair.network.spoil([["c0", "n2"]], { cut: true });
      answers.push(await ask(5));
      cut.heal();
      answers.push(await ask(6));
    })();
    expect(await pair.world.run(() => answers.length === 3, 60 * SECOND)).toBe("done");
    await work;
    expect(answers).toEqual([8, "connect timeout", 12]);
    expect(times[0]).toBeLessThan(10 * MILLISECOND);
  });

  it("shows every message to its listeners, with its times, or that it was dropped", () => {
    for (const codec of [false, true]) {
      const pair = new Pair({ ...STEADY, codec });
      const { client } = pair.connect();
      const seen: Passage[] = [];
      const end = pair.network.onMessage((passage) => seen.push(passage));
      const sentAt = pair.world.now;
      send(client, 1);
      pair.world.runFor(SECOND);
      pair.n2.powerOff();
      send(client, 2);
      pair.world.runFor(SECOND);
      const port = pair.runtime?.network.bind("udp", NUMBERED, () => {});
      port?.send("n2:udp", { number: 3 });
      pair.world.runFor(SECOND);
      const common = { from: "n1", to: "n2", protocol: "numbered" };
      expect(seen).toEqual([
        { ...common, message: { number: 1 }, sentAt, deliveredAt: expect.any(Number) },
        { ...common, message: { number: 2 }, sentAt: sentAt + SECOND, deliveredAt: undefined },
        { ...common, message: { number: 3 }, sentAt: sentAt + 2 * SECOND, deliveredAt: undefined },
      ]);
      expect(seen[0]?.deliveredAt).toBeGreaterThan(sentAt + MILLISECOND / 2);
      end();
      port?.send("n1:udp", { number: 4 });
      pair.world.runFor(SECOND);
      expect(seen).toHaveLength(3);
    }
  });

  it("does not let the traffic of one link, or a fault on it, shift the times of another", () => {
    const times = (busy: boolean) => {
      const pair = new Pair({});
      const third = new Host(pair.world, pair.network, "n3");
      third.start(({ network }) => network.bind("udp", NUMBERED, () => {}));
      if (busy) {
        pair.network.spoil([["n1", "n3"]], { loss: 0.5, jitter: MILLISECOND });
        const noise = pair.runtime?.network.bind("noise", NUMBERED, () => {});
        for (let i = 0; i < 100; i++) noise?.send("n3:udp", { number: i });
      }
      const { client, server } = pair.connect();
      send(client, 1, 50);
      pair.world.runFor(SECOND);
      return server.times;
    };
    expect(times(true)).toEqual(times(false));
  });

  it("does not let a fault on a link shift the weather of what passes", () => {
    const arrivals = (fault: LinkFault) => {
      const pair = new Pair({});
      const times = new Map<number, number>();
      pair.n2.kill();
      pair.n2.start(({ network, clock }) =>
        network.bind("udp", NUMBERED, (_, { number }) => times.set(number, clock.monotonic())),
      );
      const runtime = pair.runtime as NodeRuntime;
      const port = runtime.network.bind("udp", NUMBERED, () => {});
      pair.spoil(fault);
      for (let number = 0; number < 100; number++)
        runtime.timer(number * MILLISECOND, () => port.send("n2:udp", { number }));
      pair.world.runFor(SECOND);
      return times;
    };
    const all = arrivals({});
    const some = arrivals({ loss: 0.5 });
    expect(all.size).toBe(100);
    expect(some.size).toBeLessThan(80);
    for (const [number, time] of some) expect(time).toBe(all.get(number));
  });

  it("draws latencies around the profile, with a tail", () => {
    const pair = new Pair({
      latency: {
        mean: MILLISECOND,
        jitter: 500 * MICROSECOND,
        tailProbability: 0.02,
        tail: 50 * MILLISECOND,
      },
    });
    const delays: number[] = [];
    pair.network.onMessage(({ sentAt, deliveredAt }) => delays.push((deliveredAt as number) - sentAt));
    const runtime = pair.runtime as NodeRuntime;
    pair.n2.kill();
    pair.n2.start(({ network }) => network.bind("udp", NUMBERED, () => {}));
    const port = runtime.network.bind("udp", NUMBERED, () => {});
    for (let number = 0; number < 5000; number++)
      runtime.timer(number * MILLISECOND, () => port.send("n2:udp", { number }));
    pair.world.runFor(10 * SECOND);
    expect(delays).toHaveLength(5000);
    delays.sort((a, b) => a - b);
    const quantile = (q: number) => (delays[Math.floor(q * delays.length)] as number) / MILLISECOND;
    expect(quantile(0)).toBeGreaterThan(0.5);
    expect(quantile(0.5)).toBeLessThan(2);
    expect(quantile(0.97)).toBeLessThan(5);
    expect(quantile(0.995)).toBeGreaterThan(20);
  });
});
