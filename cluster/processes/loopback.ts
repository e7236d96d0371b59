/**
 * Members on the loopback interface, each at an address of its own out of 127.0.0.0/8, which Linux has without being
 * asked. Nothing can be done to what they send each other.
 */
import { randomInt } from "node:crypto";
import net from "node:net";
import type { NodeId } from "../../src/history/op.ts";
import type { Fabric } from "./fabric.ts";

/** Ports that somebody who listens everywhere is likely to have. */
const PROBED = [2379, 2380];
const ATTEMPTS = 20;

export async function loopback(nodes: readonly NodeId[]): Promise<Fabric> {
  const addresses = await freeAddresses(nodes.length);
  return {
    address: (node) => addresses[nodes.indexOf(node)] as string,
    inside: (_node, command) => command,
    close: async () => {},
  };
}

/** Chance keeps clusters apart that run at the same time. */
async function freeAddresses(count: number): Promise<string[]> {
  for (let attempt = 1; ; attempt++) {
    const network = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`;
    const addresses = Array.from({ length: count }, (_, i) => `${network}.${i + 1}`);
    try {
      for (const address of addresses) for (const port of PROBED) await listenOnce(address, port);
      return addresses;
    } catch (error) {
      if (attempt === ATTEMPTS)
        throw new Error(`ports ${PROBED.join(" and ")} are taken at every address of 127.0.0.0/8`, {
          cause: error,
        });
    }
  }
}

function listenOnce(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}
