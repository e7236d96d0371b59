/** Real processes, killed in earnest. */
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/runtime/random.ts";
import { killStorm } from "./kill-storm.ts";
import { ServerCluster, type ServerProcess, until } from "./processes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const main = [join(root, "dist/src/cli/main.js"), "kv"];
const bundle = join(root, "dist/faultline-kv.mjs");

let cluster: ServerCluster;
afterEach(() => cluster.end());

/** Numbers for the little the tests write. */
const SMALL = ["--snapshot-count", "50", "--snapshot-catchup-entries", "10"];
const word = (server: ServerProcess, message: string) => server.log.split(`"msg":"${message}"`).length - 1;

async function write(server: ServerProcess, count: number, prefix: string): Promise<void> {
  for (let i = 0; i < count; i++) await server.put(`${prefix}${i}`, "v");
}

/** The server that says that it leads. */
async function leaderOf(servers: readonly ServerProcess[]): Promise<ServerProcess> {
  for (const server of servers) {
    const { header, leader } = await server.post("maintenance/status", {});
    if ((header as { readonly member_id: string }).member_id === leader) return server;
  }
  throw new Error("nobody leads");
}

describe("three servers", () => {
  it("lose nothing that was acknowledged while they are killed under load", async () => {
    cluster = new ServerCluster(main, SMALL);
    await cluster.found(3);
    const aftermath = await killStorm(cluster, {
      kills: 20,
      writers: 4,
      random: seededRandom(20_261_121),
      progress: () => {},
    });
    expect(aftermath).toMatchObject({ lost: [], invented: [], differing: [] });
    expect(aftermath.acknowledged).toBeGreaterThan(100);
  });

  it("stop in order when asked, and bring everything back", async () => {
    cluster = new ServerCluster(main);
    await cluster.found(3);
    const [n1, , n3] = cluster.servers as [ServerProcess, ServerProcess, ServerProcess];
    await write(n1, 20, "k");
    // The leader first: the last of three has nobody to hand its office to.
    const leader = await leaderOf(cluster.servers);
    const rest = cluster.servers.filter((server) => server !== leader);
    for (const server of [leader, ...rest]) expect(await server.signal("SIGTERM")).toBe(0);
    for (const server of cluster.servers) expect(server.log).toMatch(/"msg":"stopped"/);
    expect(word(leader, "handed leadership over")).toBe(1);
    for (const server of cluster.servers) server.start();
    await n3.serves();
    expect((await n3.read("k")).size).toBe(20);
  });

  it("bring a member up that was away: by the log after a short time, by a snapshot after a long one", async () => {
    cluster = new ServerCluster(main, SMALL);
    await cluster.found(3);
    const [n1, , n3] = cluster.servers as [ServerProcess, ServerProcess, ServerProcess];
    const caughtUp = (count: number) => async () => {
      const mine = await n3.read("k", true).catch(() => new Map());
      return mine.size === count;
    };
    // It may have been the leader.
    await n3.signal("SIGKILL");
    await n1.serves();
    await write(n1, 5, "ka");
    n3.start();
    await until("it has the log", caughtUp(5));
    expect(word(n3, "restored")).toBe(0);

    await n3.signal("SIGKILL");
    await n1.serves();
    await write(n1, 200, "kb");
    n3.start();
    await until("it has the snapshot", caughtUp(205));
    expect(word(n3, "restored")).toBe(1);
  });

  it("take in a fourth that asks them who it is", async () => {
    cluster = new ServerCluster(main, SMALL);
    await cluster.found(3);
    const [n1] = cluster.servers as [ServerProcess];
    await write(n1, 120, "k");
    const n4 = await cluster.joining("n4");
    n4.start();
    expect(await n4.ended).toBe(254);
    expect(n4.log).toContain("it has to be added to the cluster first");
    await n1.post("cluster/member/add", { peerURLs: [n4.peerUrl], isLearner: true });
    n4.start();
    await until("it has everything", async () => {
      const mine = await n4.read("k", true).catch(() => new Map());
      return mine.size === 120;
    });
  });
});

describe("three servers of which one", () => {
  const others = (server: ServerProcess) => cluster.servers.filter((other) => other !== server);
  /** What `server` knows by itself. */
  const holds = (server: ServerProcess, count: number) => async () => {
    const mine = await server.read("k", true).catch(() => new Map());
    return mine.size === count;
  };

  it("leads and is stopped go on without it, and it has everything when it comes round", async () => {
    cluster = new ServerCluster(main, SMALL);
    await cluster.found(3);
    await write(cluster.servers[0] as ServerProcess, 5, "ka");
    const leader = await leaderOf(cluster.servers);
    process.kill(leader.pid as number, "SIGSTOP");
    const [other] = others(leader) as [ServerProcess];
    await other.serves();
    await write(other, 200, "kb");
    process.kill(leader.pid as number, "SIGCONT");
    await until("it has caught up", holds(leader, 205));
    // What it is asked now is not answered from the time when it led.
    await other.put("kc", "new");
    expect((await leader.read("k")).get("kc")).toBe("new");
    expect(leader.running).toBe(true);
  });

  it.runIf(canMount())(
    "has a full disk go on without it; it says so, and comes back when there is room",
    async () => {
      cluster = new ServerCluster(main, SMALL);
      const n1 = () => cluster.servers[0] as ServerProcess;
      const mount = (...words: string[]) => execFileSync("mount", [...words, n1().directory]);
      try {
        await cluster.found(3, (server) => {
          if (server !== n1()) return;
          fs.mkdirSync(server.directory);
          mount("-t", "tmpfs", "-o", "size=2m", "tmpfs");
        });
        const [n2] = others(n1()) as [ServerProcess];
        let written = 0;
        const large = "v".repeat(50_000);
        while (n1().running && written < 1000) await n2.put(`k${written++}`, large).catch(() => written--);
        expect(await n1().ended).toBe(1);
        expect(n1().log).toMatch(/disk failure: ENOSPC/);
        await n2.serves();
        await n2.put(`k${written++}`, large);
        // As it is, it can only say so again.
        n1().start();
        expect([1, 254]).toContain(await n1().ended);
        expect(n1().log.match(/ENOSPC/g)?.length).toBeGreaterThan(1);
        mount("-o", "remount,size=200m");
        n1().start();
        await until("it has caught up", holds(n1(), written));
      } finally {
        await n1().signal("SIGKILL");
        execFileSync("umount", [n1().directory]);
      }
    },
  );
});

/** Whether a small disk can be had. */
function canMount(): boolean {
  const home = fs.mkdtempSync(join(tmpdir(), "faultline-mount-"));
  const able = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", home]).status === 0;
  if (able) execFileSync("umount", [home]);
  else console.warn("SKIPPED: a full disk, which needs the right to mount one");
  fs.rmdirSync(home);
  return able;
}

describe("a snapshot", () => {
  it("is saved, looked at, and restored into a new cluster of three with the same data", async () => {
    cluster = new ServerCluster(main, SMALL);
    await cluster.found(1);
    const [n1] = cluster.servers as [ServerProcess];
    await write(n1, 120, "k");
    const file = join(cluster.home, "saved");
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [...main, "snapshot", ...words], { encoding: "utf8", timeout: 60_000 });
    expect(run("save", file, "--endpoint", n1.clientUrl)).toMatchObject({ status: 0, stderr: "" });
    const status = JSON.parse(run("status", file, "-w", "json").stdout) as {
      readonly [field: string]: number;
    };
    const { hash } = await n1.post("maintenance/hash", {});
    expect(status).toMatchObject({ hash, revision: 121, totalKey: 120, totalSize: fs.statSync(file).size });
    expect(run("status", file).stdout).toContain(`| ${status.hash?.toString(16)} | `);

    const bytes = fs.readFileSync(file);
    bytes[1000] = (bytes[1000] as number) ^ 1;
    fs.writeFileSync(`${file}.bad`, bytes);
    const into = join(cluster.home, "never");
    expect(run("restore", `${file}.bad`, "--data-dir", into)).toMatchObject({
      status: 254,
      stderr: expect.stringMatching(/is no whole snapshot: its checksum is wrong\n$/),
    });
    expect(fs.existsSync(into)).toBe(false);
    expect(run("restore", file, "--data-dir", n1.directory)).toMatchObject({
      status: 254,
      stderr: expect.stringContaining("exists already"),
    });

    const restored = new ServerCluster(main, SMALL);
    try {
      await restored.found(3, (server, founding) => {
        const words = ["--name", server.name, "--data-dir", server.directory, ...founding];
        expect(run("restore", file, ...words, "--initial-advertise-peer-urls", server.peerUrl).status).toBe(
          0,
        );
      });
      for (const server of restored.servers) expect((await server.read("k")).size).toBe(120);
      const clusterOf = async (server: ServerProcess) => {
        const { header } = await server.post("maintenance/status", {});
        return (header as { readonly cluster_id: string }).cluster_id;
      };
      const [first] = restored.servers as [ServerProcess];
      expect(await clusterOf(first)).not.toBe(await clusterOf(n1));
    } finally {
      await restored.end();
    }
    expect(run("save", file, "--endpoint", "http://127.0.0.1:1")).toMatchObject({ status: 254 });
  });
});

describe("one server", () => {
  beforeAll(() => {
    execFileSync("npm", ["run", "--silent", "build:kv"], { cwd: root });
  });

  it("runs from one file, with nothing beside it", async () => {
    cluster = new ServerCluster([]);
    const alone = join(cluster.home, "faultline-kv.mjs");
    fs.copyFileSync(bundle, alone);
    const single = new ServerCluster([alone]);
    try {
      await single.found(1);
      await single.servers[0]?.put("k", "v");
      expect(await single.servers[0]?.read("k")).toEqual(new Map([["k", "v"]]));
    } finally {
      await single.end();
    }
  });

  it("refuses what is not its own, in one line, with exit code 254", async () => {
    cluster = new ServerCluster(main);
    await cluster.found(1);
    const [n1] = cluster.servers as [ServerProcess];
    const start = (...flags: string[]) => {
      const words = [...n1.command, ...flags];
      const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8", timeout: 60_000 });
      return { status, stderr };
    };
    expect(start()).toMatchObject({ status: 254, stderr: expect.stringMatching(/is in use by process \d+/) });
    await n1.signal("SIGTERM");
    expect(start("--initial-cluster-token", "another")).toMatchObject({
      status: 254,
      stderr: expect.stringMatching(/belongs to member .* but the flags describe cluster/),
    });
    fs.rmSync(join(n1.directory, "wal"), { recursive: true });
    expect(start()).toMatchObject({
      status: 254,
      stderr: expect.stringContaining("a member without its log must not vote"),
    });
  });

  it("refuses a damaged log, and `inspect` says where", async () => {
    cluster = new ServerCluster(main);
    await cluster.found(1);
    const [n1] = cluster.servers as [ServerProcess];
    await write(n1, 50, "k");
    await n1.signal("SIGKILL");
    const inspect = () =>
      spawnSync(process.execPath, [...main, "inspect", n1.directory], { encoding: "utf8" });
    expect(inspect()).toMatchObject({ status: 0, stdout: expect.stringContaining("a start would recover") });
    const [segment] = fs.readdirSync(join(n1.directory, "wal")) as [string];
    const path = join(n1.directory, "wal", segment);
    const bytes = fs.readFileSync(path);
    bytes[300] = (bytes[300] as number) ^ 1;
    fs.writeFileSync(path, bytes);
    n1.start();
    expect(await n1.ended).toBe(254);
    expect(n1.log).toMatch(/"msg":"cannot start"/);
    expect(n1.log).toMatch(/is damaged at byte \d+/);
    expect(inspect()).toMatchObject({ status: 1, stdout: expect.stringMatching(/DAMAGED at byte \d+/) });
  });
});
