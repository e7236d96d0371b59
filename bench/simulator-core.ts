/**
 * Speed of the bare simulator, in events per CPU-second: the agenda alone, and five hosts playing ping-pong.
 *
 *   npm run bench:simulator-core
 */
import { Host } from "../cluster/simulated/host.ts";
import { SimulatedNetwork } from "../cluster/simulated/network.ts";
import { Agenda, type EventHandler, Lane } from "../src/runtime/agenda.ts";
import { seededRandom } from "../src/runtime/random.ts";
import { type Connection, type Protocol, SECOND } from "../src/runtime/runtime.ts";
import { World } from "../src/runtime/world.ts";

const NUMBERS: Protocol<number> = {
  name: "numbers",
  encode: (message) => new Uint8Array([message]),
  decode: (bytes) => bytes[0] as number,
};

/** Runs `body`, which returns a number of events, and prints their rate. */
function measure(name: string, body: () => number): void {
  body();
  const before = process.cpuUsage();
  const events = body();
  const { user, system } = process.cpuUsage(before);
  const rate = events / ((user + system) / 1e6);
  console.log(`${name.padEnd(44)} ${(rate / 1e6).toFixed(2)} M events/CPU-s (${events} events)`);
}

/** `pending` events are always to come; each that fires adds one. */
function agendaAlone(pending: number): number {
  const agenda = new Agenda();
  const lanes = Array.from({ length: 5 }, (_, id) => new Lane(id));
  const random = seededRandom(1);
  const handler: EventHandler = { kind: "bench", fire: () => {} };
  for (let i = 0; i < pending; i++) agenda.add(random.below(1_000_000), lanes[i % 5] as Lane, handler);
  const events = 3_000_000;
  for (let i = 0; i < events; i++) {
    agenda.pop();
    agenda.add(agenda.poppedTime + random.below(1_000_000), lanes[i % 5] as Lane, handler);
  }
  return events;
}

/** Every host keeps `balls` numbers in flight to every other. */
function pingPong(balls: number): number {
  const world = new World(1);
  const network = new SimulatedNetwork(world);
  const names = ["n1", "n2", "n3", "n4", "n5"];
  const hosts = names.map((name) => new Host(world, network, name));
  for (const host of hosts)
    host.start((runtime) => {
      runtime.network.listen("ball", NUMBERS, (connection) => ({
        message: (ball) => connection.send(ball),
        closed: () => {},
      }));
      for (const name of names) {
        if (name === host.name) continue;
        const connection: Connection<number> = runtime.network.dial(`${name}:ball`, NUMBERS, {
          opened: () => {
            for (let ball = 0; ball < balls; ball++) connection.send(ball);
          },
          message: (ball) => connection.send(ball),
          closed: () => {},
        });
      }
    });
  world.runUntil(() => world.events >= 2_000_000, 3600 * SECOND);
  return world.events;
}

measure("agenda alone, 100 events pending", () => agendaAlone(100));
measure("agenda alone, 10,000 events pending", () => agendaAlone(10_000));
measure("5 hosts, ping-pong, 1 ball per connection", () => pingPong(1));
measure("5 hosts, ping-pong, 20 balls per connection", () => pingPong(20));
