/** A world in which something of everything happens, from a seed; run as a program, it prints the trace hash. */
import { pathToFileURL } from "node:url";
import { type Connection, MILLISECOND, type NodeRuntime, type Protocol, SECOND } from "../../../src/runtime/runtime.ts";
import { World } from "../../../src/runtime/world.ts";
import { Host } from "../host.ts";
import { SimulatedNetwork } from "../network.ts";

const NUMBERS: Protocol<number> = {
  name: "numbers",
  encode: (message) => new Uint8Array([message & 255]),
  decode: (bytes) => bytes[0] as number,
};

/** What a test may plant to spoil determinism: called by every node in every tick. */
export type Flaw = (node: string, tick: number, runtime: NodeRuntime) => void;

function boot(runtime: NodeRuntime, names: readonly string[], flaw: Flaw): void {
  const { network, disk, node } = runtime;
  const connections = new Map<string, Connection<number>>();
  network.listen("peer", NUMBERS, (connection) => ({
    message: (message) => connection.send(message + 1),
    closed: () => {},
  }));
  const gossip = network.bind("gossip", NUMBERS, (from, message) => {
    if (message % 7 === 0) runtime.trace("gossip", { from, message });
  });
  const file = disk.open("log");
  const connect = (name: string) => {
    const closed = () => void runtime.timer(100 * MILLISECOND, () => connect(name));
    connections.set(name, network.dial(`${name}:peer`, NUMBERS, { message: () => {}, closed }));
  };
  for (const name of names) if (name !== node) connect(name);
  let tick = 0;
  const next = () => {
    tick++;
    flaw(node, tick, runtime);
    file.append(new Uint8Array(100));
    file.sync(() => {
      for (const connection of connections.values()) connection.send(tick);
      gossip.send(`${runtime.random.pick(names)}:gossip`, tick);
    });
    runtime.timer(10 * MILLISECOND + runtime.random.below(5 * MILLISECOND), next);
  };
  next();
}

/** Runs ten virtual seconds with three nodes, a client, and faults. */
export async function busyWorld(
  seed: number,
  watch: (world: World) => void,
  flaw: Flaw = () => {},
): Promise<World> {
  const world = new World(seed);
  watch(world);
  const network = new SimulatedNetwork(world, { loss: 0.01, duplicate: 0.01, codec: seed % 2 === 0 });
  const names = ["n1", "n2", "n3"];
  const hosts = names.map((name) => new Host(world, network, name));
  const start = (host: Host) => host.start((runtime) => boot(runtime, names, flaw));
  for (const host of hosts) start(host);

  const sleep = (delay: number) =>
    new Promise<void>((resolve) => {
      world.tester.timer(delay, resolve);
    });
  const client = network.clientEndpoint("c0");
  const ask = (name: string) =>
    new Promise<void>((resolve) => {
      const done = () => resolve();
      world.tester.timer(2 * SECOND, done);
      client.dial(`${name}:peer`, NUMBERS, { message: done, closed: done }).send(1);
    });
  let finished = false;
  const tester = async () => {
    const random = world.tester.random;
    while (world.now < 10 * SECOND) {
      const host = random.pick(hosts);
      const spoil = network.spoil([[random.pick(names), random.pick(names)]], { cut: true, jitter: MILLISECOND });
      const actions = [
        () => host.kill(),
        () => host.powerOff(),
        () => host.pause(),
        () => host.drift(1 + random.next()),
        () => host.jump(-SECOND),
      ];
      random.pick(actions)();
      await sleep(random.below(SECOND));
      await ask(random.pick(names));
      spoil.heal();
      host.resume();
      start(host);
    }
    finished = true;
  };
  const work = tester();
  await world.run(() => finished, 100 * SECOND);
  await work;
  return world;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const world = await busyWorld(Number(process.argv[2]), () => {});
  console.log(world.traceHash, world.events, world.crashes.length);
}
