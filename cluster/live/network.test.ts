/** What a node may rely on from a network, asked of the simulated one and of real sockets, plain and TLS. */
import { createHash } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/runtime/random.ts";
import type {
  Connection,
  ConnectionHandlers,
  Network,
  NodeRuntime,
  Protocol,
} from "../../src/runtime/runtime.ts";
import { SECOND } from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import { createAuthority } from "../server/certificates.ts";
import { Host } from "../simulated/host.ts";
import { SimulatedNetwork } from "../simulated/network.ts";
import type { TlsFiles } from "./credentials.ts";
import { EventLoop } from "./event-loop.ts";
import { FrameReader, frameOf } from "./frames.ts";
import { encodeHello } from "./handshake.ts";
import { silent } from "./log.ts";
import { LiveNetwork, type LiveNetworkOptions } from "./network.ts";
import { freePort, until } from "./testbed.ts";

const TEXT: Protocol<string> = {
  name: "text",
  encode: (message) => Buffer.from(message),
  decode: (bytes) => {
    const message = Buffer.from(bytes).toString();
    if (message.startsWith("!")) throw new Error("not a text");
    return message;
  },
};

/** What one end of a connection has seen. */
class Witness implements ConnectionHandlers<string> {
  readonly messages: string[] = [];
  openings = 0;
  ends: string[] = [];
  connection!: Connection<string>;

  opened(): void {
    this.openings++;
  }

  message(message: string): void {
    this.messages.push(message);
  }

  closed(reason: string): void {
    this.ends.push(reason);
  }
}

/** Two machines: `here` dials, `there` listens on the port "text". */
interface NetworkPlace {
  readonly here: Network;
  readonly there: Network;
  /** Names of the machines. */
  readonly names: { readonly here: string; readonly there: string; readonly nobody: string };
  /** The process on the other machine is killed. */
  kill(): void;
  settle(what: string, condition: () => boolean): Promise<void>;
  end(): void;
}

async function simulated(): Promise<NetworkPlace> {
  const world = new World(1);
  const network = new SimulatedNetwork(world, { codec: true });
  const [n1, n2] = [new Host(world, network, "n1"), new Host(world, network, "n2")];
  const boot = (host: Host): Network => {
    let runtime: NodeRuntime | undefined;
    host.start((given) => {
      runtime = given;
    });
    return (runtime as NodeRuntime).network;
  };
  return {
    here: boot(n1),
    there: boot(n2),
    names: { here: "n1", there: "n2", nobody: "n9" },
    kill: () => n2.kill(),
    settle: async (what, condition) => {
      world.runUntil(condition, world.now + 30 * SECOND);
      if (!condition()) throw new Error(`waited in vain until ${what}`);
    },
    end: () => {},
  };
}

const authority = createAuthority("test", 10);
const files: TlsFiles = {
  ...authority.issue("member", ["127.0.0.1"]),
  ca: authority.cert,
  clientCertAuth: true,
};

async function liveNetwork(
  security: TlsFiles | undefined,
  self: { readonly clusterId: number; readonly member: number },
  changes: Partial<LiveNetworkOptions> = {},
) {
  const url = `${security === undefined ? "http" : "https"}://127.0.0.1:${await freePort()}`;
  const loop = new EventLoop((error) => {
    throw error;
  });
  const network = new LiveNetwork({
    loop,
    log: silent,
    self: { ...self, node: url },
    tls: security,
    ports: { text: { limit: 4 << 20, stranger: false } },
    ...changes,
  });
  await network.open([new URL(url)]);
  const end = () => {
    loop.end();
    network.end();
  };
  return { url, network, end };
}

const live = (security: TlsFiles | undefined) => async (): Promise<NetworkPlace> => {
  const here = await liveNetwork(security, { clusterId: 1, member: 1 });
  const there = await liveNetwork(security, { clusterId: 1, member: 2 });
  const scheme = security === undefined ? "http" : "https";
  return {
    here: here.network,
    there: there.network,
    names: { here: here.url, there: there.url, nobody: `${scheme}://127.0.0.1:${await freePort()}` },
    kill: there.end,
    settle: until,
    end: () => {
      here.end();
      there.end();
    },
  };
};

describe.each([
  ["a simulated network", simulated],
  ["TCP", live(undefined)],
  ["TLS", live(files)],
] as const)("%s", (_name, make) => {
  let place: NetworkPlace;
  const accepted: Witness[] = [];
  beforeEach(async () => {
    place = await make();
    accepted.length = 0;
    place.there.listen("text", TEXT, (connection) => {
      const witness = new Witness();
      witness.connection = connection;
      accepted.push(witness);
      return witness;
    });
  });
  afterEach(() => place.end());

  function dial(address = `${place.names.there}:text`): Witness {
    const witness = new Witness();
    witness.connection = place.here.dial(address, TEXT, witness);
    return witness;
  }

  it("opens, and delivers what was sent before and after in order, both ways", async () => {
    const client = dial();
    const sent = Array.from({ length: 500 }, (_, i) => `message ${i}`);
    for (const message of sent.slice(0, 250)) client.connection.send(message);
    expect(client.connection.buffered).toBeGreaterThanOrEqual(250);
    await place.settle("it is open", () => client.openings === 1 && accepted.length === 1);
    const server = accepted[0] as Witness;
    for (const message of sent.slice(250)) client.connection.send(message);
    for (const message of sent) server.connection.send(message);
    await place.settle("all has arrived", () => server.messages.length + client.messages.length === 1000);
    expect(server.messages).toEqual(sent);
    expect(client.messages).toEqual(sent);
    await place.settle("nothing waits", () => client.connection.buffered + server.connection.buffered === 0);
    expect([client.connection.peer, server.connection.peer]).toEqual([place.names.there, place.names.here]);
    expect([client.openings, client.ends, server.ends]).toEqual([1, [], []]);
  });

  it("carries large messages among small ones", async () => {
    const client = dial();
    const sent = ["small", "x".repeat(3_000_000), "small again", "y".repeat(100_000), ""];
    for (const message of sent) client.connection.send(message.padEnd(1, "."));
    await place.settle("all has arrived", () => accepted[0]?.messages.length === sent.length);
    expect(accepted[0]?.messages).toEqual(sent.map((message) => message.padEnd(1, ".")));
  });

  it("closes after what was sent; the own end hears nothing", async () => {
    const client = dial();
    await place.settle("it is open", () => client.openings === 1 && accepted.length === 1);
    client.connection.send("last words");
    client.connection.close();
    client.connection.send("more words");
    const server = accepted[0] as Witness;
    await place.settle("the other end knows", () => server.ends.length === 1);
    expect([server.messages, client.ends]).toEqual([["last words"], []]);
  });

  it("refuses a port nobody listens on, and a machine that is not there, once", async () => {
    const witnesses = [
      dial(`${place.names.there}:other`),
      dial(`${place.names.nobody}:text`),
      dial("nonsense:text"),
    ];
    await place.settle("all are refused", () => witnesses.every(({ ends }) => ends.length > 0));
    for (const { ends, openings } of witnesses) expect([ends.length, openings]).toEqual([1, 0]);
  });

  it("tells the other end when a process ends", async () => {
    const client = dial();
    await place.settle("it is open", () => client.openings === 1 && accepted.length === 1);
    place.kill();
    await place.settle("it is told", () => client.ends.length > 0);
    expect([client.ends.length, accepted[0]?.ends]).toEqual([1, []]);
  });
});

describe("real sockets", () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** A network with the port "text", and what came in on it. */
  async function listening(
    self = { clusterId: 1, member: 2 },
    security?: TlsFiles,
    changes: Partial<LiveNetworkOptions> = {},
  ) {
    const warnings: string[] = [];
    const log = { ...silent, warn: (fields: object) => warnings.push((fields as { reason: string }).reason) };
    const made = await liveNetwork(security, self, { log, ...changes });
    ends.push(made.end);
    const messages: string[] = [];
    made.network.listen("text", TEXT, () => ({
      message: (message) => messages.push(message),
      closed: () => {},
    }));
    return { ...made, messages, warnings };
  }

  async function refusal(network: LiveNetwork, url: string): Promise<string> {
    const witness = new Witness();
    network.dial(`${url}:text`, TEXT, witness);
    await until("it is refused", () => witness.ends.length > 0);
    return witness.ends[0] as string;
  }

  it("turn away another cluster, themselves, and those without the right certificate, saying why", async () => {
    const server = await listening();
    const stranger = await listening({ clusterId: 7, member: 3 });
    expect(await refusal(stranger.network, server.url)).toBe("refused: member 2 is of cluster 1, not of 7");
    expect(await refusal(server.network, server.url)).toBe("refused: this is member 2 itself");
    expect(server.warnings.some((reason) => reason.includes("cluster 1, not of 7"))).toBe(true);

    const secure = await listening({ clusterId: 1, member: 4 }, files);
    const { cert: _, key: __, ...anonymous } = files;
    const other = createAuthority("other", 10);
    const foreign = await listening(
      { clusterId: 1, member: 5 },
      { ...files, ...other.issue("member", ["127.0.0.1"]) },
    );
    expect(anonymous.clientCertAuth).toBe(true);
    expect(await refusal(foreign.network, secure.url)).not.toBe("");
    expect(await refusal(server.network, secure.url.replace("https", "http"))).not.toBe("");
    expect(await refusal(secure.network, server.url.replace("http", "https"))).not.toBe("");
    expect([...server.messages, ...secure.messages]).toEqual([]);
  });

  it("close on a message that is too large or means nothing, and serve others", async () => {
    const server = await listening({ clusterId: 1, member: 2 }, undefined, {
      ports: { text: { limit: 1000, stranger: false } },
    });
    const { network } = await listening({ clusterId: 1, member: 3 });
    for (const bad of ["x".repeat(1001), "!"]) {
      const witness = new Witness();
      witness.connection = network.dial(`${server.url}:text`, TEXT, witness);
      witness.connection.send(bad);
      await until("it is closed", () => witness.ends.length > 0);
    }
    expect(server.warnings).toEqual(["a message of 1001 bytes, above 1000", "not a text"]);
    const good = network.dial(`${server.url}:text`, TEXT, new Witness());
    good.send("still there");
    await until("it has come", () => server.messages.length > 0);
    expect(server.messages).toEqual(["still there"]);
  });

  it("hold a bounded number of connections: the oldest make room", async () => {
    const server = await listening();
    const { network } = await listening({ clusterId: 1, member: 3 });
    const dialled: Witness[] = [];
    for (let i = 0; i < 70; i++) {
      const witness = new Witness();
      witness.connection = network.dial(`${server.url}:text`, TEXT, witness);
      dialled.push(witness);
      await until("it is open", () => witness.openings > 0);
    }
    await until("room was made", () => dialled.filter(({ ends }) => ends.length > 0).length === 6);
    expect(dialled.findIndex(({ ends }) => ends.length === 0)).toBe(6);
    dialled.at(-1)?.connection.send("still there");
    await until("it has come", () => server.messages.length > 0);
  });

  it("take no names of any length, which would fill their logs", async () => {
    const server = await listening();
    const hello = encodeHello({ clusterId: 1, member: 9, node: "x".repeat(3000), port: "text" });
    const socket = net.connect(Number(new URL(server.url).port), "127.0.0.1", () =>
      socket.write(frameOf(hello)),
    );
    await until("it is refused", () => server.warnings.length > 0);
    socket.destroy();
    expect(server.warnings).toEqual(["a malformed handshake"]);
  });

  it("survive any bytes", async () => {
    const server = await listening();
    const secure = await listening({ clusterId: 1, member: 4 }, files);
    const random = seededRandom(7);
    const hello = frameOf(encodeHello({ clusterId: 1, member: 9, node: "x", port: "text" }));
    for (let i = 0; i < 120; i++) {
      const { url } = i % 4 === 3 ? secure : server;
      const noise = Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256)));
      const framed = Buffer.concat([hello, frameOf(noise)]);
      const bent = Buffer.from(framed);
      bent[random.below(bent.length)] = random.below(256);
      const bytes = random.pick([
        noise,
        Buffer.concat([hello, noise]),
        bent,
        framed.subarray(0, random.below(framed.length)),
      ]);
      await new Promise<void>((resolve) => {
        const socket = net.connect(Number(new URL(url).port), "127.0.0.1", () => socket.end(bytes));
        socket.on("error", () => {});
        socket.on("close", () => resolve());
        socket.resume();
      });
    }
    const { network } = await listening({ clusterId: 1, member: 3 });
    const connection = network.dial(`${server.url}:text`, TEXT, new Witness());
    connection.send("still there");
    await until("it has come", () => server.messages.includes("still there"));
  });

  it("ask for a certificate of the other end", async () => {
    const secure = await listening({ clusterId: 1, member: 4 }, files);
    const failure = await new Promise<string>((resolve) => {
      const { port } = new URL(secure.url);
      const socket = tls.connect({
        port: Number(port),
        host: "127.0.0.1",
        ca: authority.cert,
        servername: "",
      });
      socket.on("error", (error) => resolve(error.message));
      socket.on("close", () => resolve("closed"));
      socket.write(frameOf(encodeHello({ clusterId: 1, member: 9, node: "x", port: "text" })));
      socket.resume();
    });
    expect(failure).not.toBe("");
    await until("it is logged", () => secure.warnings.length > 0);
    expect(secure.messages).toEqual([]);
  });
});

describe("frames", () => {
  it("come out as they went in, however they are cut", () => {
    const random = seededRandom(3);
    const payloads = Array.from({ length: 60 }, (_, i) =>
      Buffer.alloc(i % 7 === 0 ? 70_000 : random.below(50) + 1, createHash("md5").update(String(i)).digest()),
    );
    const stream = Buffer.concat([frameOf(new Uint8Array(0)), ...payloads.map(frameOf)]);
    const reader = new FrameReader(100_000);
    const out: Uint8Array[] = [];
    for (let at = 0; at < stream.length; ) {
      const next = at + 1 + random.below(random.pick([3, 100, 20_000]));
      out.push(...reader.push(stream.subarray(at, next)));
      at = next;
    }
    expect(out.map((payload) => payload.length)).toEqual(payloads.map((payload) => payload.length));
    expect(Buffer.concat(out).equals(Buffer.concat(payloads))).toBe(true);
  });

  it("are refused with a bit flipped", () => {
    const frame = Buffer.from(frameOf(Buffer.from("payload")));
    for (let bit = 32; bit < frame.length * 8; bit++) {
      const bent = Buffer.from(frame);
      bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => [...new FrameReader(1000).push(bent)]).toThrow("checksum");
    }
  });
});
