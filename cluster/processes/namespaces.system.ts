/** Real networks of namespaces: needs Linux, root, iproute2 and nftables. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Custody } from "../real/custody.ts";
import { isKept } from "../real/mark.ts";
import { machine, machineWithoutRuns, tracesOf } from "../real/testdata/traces.ts";
import { lacksNamespaces, Namespaces, removeAbandoned } from "./namespaces.ts";

const missing = lacksNamespaces();
if (missing !== undefined) console.warn(`SKIPPED: networks of namespaces, because ${missing}`);

/** A module of `cluster`, compiled: for a process of its own. */
const built = (module: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../dist/cluster/${module}.js`, import.meta.url)));
/** Tells its mark, and makes a network. */
const TESTER = `
const { Custody } = await import(${built("real/custody")});
const { Namespaces } = await import(${built("processes/namespaces")});
const custody = new Custody("cluster/processes/reaper");
console.log(custody.mark);
await Namespaces.create(["n1", "n2", "n3"], custody.mark);
console.log("done");
setInterval(() => {}, 1000);`;
/** Makes a network and dies. Who cleans up has been killed before, and cannot. */
const ORPHAN = `
const { Custody } = await import(${built("real/custody")});
const { Namespaces } = await import(${built("processes/namespaces")});
const custody = new Custody("cluster/processes/reaper");
const fabric = await Namespaces.create(["n1"], custody.mark);
(await import("node:child_process")).execFileSync("pkill", ["-KILL", "-P", String(process.pid)]);
console.log(custody.mark, fabric.address("n1"));
process.kill(process.pid, "SIGKILL");`;
const NODES = ["n1", "n2", "n3"];
const PORT = 7_000;
/** Answers each line with itself. */
const ECHO = `require("node:net").createServer((s) => { s.pipe(s); s.on("error", () => {}); }).listen(${PORT}, () => console.log("up"))`;
/** Says a word to an address, and ends with 0 if it comes back within half a second. */
const ask = (address: string): string =>
  `const s = require("node:net").connect(${PORT}, "${address}"); s.write("hello"); s.on("data", () => process.exit(0)); s.on("error", () => process.exit(2)); setTimeout(() => process.exit(1), 500)`;

describe.skipIf(missing !== undefined)("a network of namespaces", () => {
  let before: string;
  let custody: Custody;
  let fabric: Namespaces;
  const servers: ChildProcess[] = [];

  beforeAll(async () => {
    await removeAbandoned();
    before = machineWithoutRuns();
    custody = new Custody("cluster/processes/reaper");
    fabric = await Namespaces.create(NODES, custody.mark);
    for (const node of NODES) {
      const [command, ...words] = fabric.inside(node, [process.execPath, "-e", ECHO]);
      const server = spawn(command as string, words, { stdio: ["ignore", "pipe", "inherit"] });
      servers.push(server);
      await once(server.stdout as NodeJS.ReadableStream, "data");
    }
  });
  afterAll(async () => {
    await fabric.close();
    await custody.close();
    for (const server of servers.splice(0))
      if (server.exitCode === null && server.signalCode === null) await once(server, "close");
    expect(machineWithoutRuns()).toBe(before);
    expect(tracesOf(custody.mark)).toEqual([]);
  });

  async function reaches(from: string, to: string): Promise<boolean> {
    const [command, ...words] = fabric.inside(from, [process.execPath, "-e", ask(fabric.address(to))]);
    const [code] = await once(spawn(command as string, words, { stdio: "inherit" }), "close");
    return code === 0;
  }

  it("joins members with each other and with the tester", async () => {
    expect(await reaches("n1", "n2")).toBe(true);
    expect(await reaches("n3", "n1")).toBe(true);
    const socket = net.connect(PORT, fabric.address("n3"));
    socket.write("hello");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toBe("hello");
    const closed = once(socket, "error");
    expect(await fabric.links.resetClients("n3")).toEqual({ sockets: 1 });
    expect(await closed).toMatchObject([{ code: "ECONNRESET" }]);
  });

  it("cuts some links and not others, counts what it dropped, and heals", async () => {
    const handle = await fabric.links.spoil(
      [
        ["n1", "n2"],
        ["n2", "n1"],
      ],
      { cut: true },
    );
    expect(await reaches("n1", "n2")).toBe(false);
    expect(await reaches("n1", "n3")).toBe(true);
    const { dropped } = await handle.heal();
    expect(dropped).toBeGreaterThan(0);
    expect(await handle.heal()).toEqual({ dropped });
    expect(await reaches("n1", "n2")).toBe(true);
  });

  it("combines faults, each with an end of its own", async () => {
    const out = await fabric.links.spoil([["n1", "n2"]], { cut: true });
    const back = await fabric.links.spoil([["n2", "n1"]], { loss: 1 });
    expect((await out.heal()).dropped).toBe(0);
    expect(await reaches("n1", "n2")).toBe(false);
    expect((await back.heal()).dropped).toBeGreaterThan(0);
    expect(await reaches("n1", "n2")).toBe(true);
  });

  it("says what a firewall cannot do", async () => {
    await expect(fabric.links.spoil([["n1", "n2"]], { delay: 5, jitter: 0, reorder: 0.5 })).rejects.toThrow(
      "a firewall cannot do this to links: delay, reorder",
    );
  });

  it("leaves other runs alone, and sweeps what a dead one left", async () => {
    const another = new Custody("cluster/processes/reaper");
    const other = await Namespaces.create(["n1"], another.mark);
    expect(other.address("n1")).not.toBe(fabric.address("n1"));
    const orphan = spawn(process.execPath, ["--input-type=module", "-e", ORPHAN], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [told] = (await once(orphan.stdout, "data")) as [Buffer];
    await once(orphan, "close");
    const [mark, address] = told.toString().trim().split(" ") as [string, string];
    expect(machine()).toContain(address.replace(/\d+$/, "1/24"));
    await removeAbandoned();
    expect(tracesOf(mark)).toEqual([]);
    expect(machine()).toContain(another.mark);
    await other.close();
    await another.close();
    expect(await reaches("n1", "n2")).toBe(true);
  });

  it("leaves nothing when its tester is killed, at whatever moment", { timeout: 300_000 }, async () => {
    // Until one has lived long enough to be done, in steps that are shorter than most of what is done in them.
    for (let delay = 0, complete = false; !complete; delay += 20) {
      const tester = spawn(process.execPath, ["--input-type=module", "-e", TESTER], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const lines = createInterface({ input: tester.stdout })[Symbol.asyncIterator]();
      const mark = (await lines.next()).value as string;
      await new Promise((resolve) => setTimeout(resolve, delay));
      tester.kill("SIGKILL");
      complete = (await lines.next()).value === "done";
      // The reaper goes last.
      while (isKept(mark)) await new Promise((resolve) => setTimeout(resolve, 5));
      expect({ delay, left: tracesOf(mark) }).toEqual({ delay, left: [] });
    }
  });
});
