import { describe, expect, it } from "vitest";
import { SECOND } from "../../src/runtime/runtime.ts";
import { Testbed } from "../simulated/testbed.ts";
import type { Connected } from "./client.ts";

const NAMES = ["n1", "n2", "n3"];
const follower = (bed: Testbed) => NAMES.find((name) => name !== bed.leader()) as string;

async function granted(bed: Testbed, api: Connected, ttl: number, key: string): Promise<string> {
  const { id } = await bed.done(api.request({ kind: "lease-grant", id: "0", ttl }));
  await bed.done(api.request({ kind: "put", key, value: "held", lease: id }));
  return id;
}

describe("leases", () => {
  it("expire with their keys, not before their time and not long after", async () => {
    const bed = new Testbed(3, 41);
    await bed.elect();
    const api = bed.api(follower(bed));
    const { id } = await bed.done(api.request({ kind: "lease-grant", id: "0", ttl: 5 }));
    const start = bed.world.now;
    await bed.done(api.request({ kind: "put", key: "a", value: "held", lease: id }));
    await bed.until(() => NAMES.every((name) => bed.node(name).store.leaseIds().length === 0));
    expect(bed.world.now - start).toBeGreaterThan(5 * SECOND);
    expect(bed.world.now - start).toBeLessThan(6 * SECOND);
    expect(await bed.get(api, "a")).toBeUndefined();
    expect(await bed.done(api.request({ kind: "lease-keep-alive", id }))).toMatchObject({ ttl: 0 });
    expect(await bed.done(api.request({ kind: "lease-time-to-live", id }))).toMatchObject({ ttl: -1 });
  });

  it("live on while they are kept alive, through any member and past a new leader", async () => {
    const bed = new Testbed(3, 42);
    await bed.elect();
    const id = await granted(bed, bed.api("n1"), 3, "a");
    for (let i = 0; i < 12; i++) {
      await bed.sleep(SECOND);
      if (i === 5) bed.host(bed.leader()).kill();
      if (i === 8) for (const name of NAMES) bed.start(name);
      const alive = NAMES.filter((name) => bed.host(name).state === "running");
      const api = bed.api(alive[i % alive.length] as string, 10 * SECOND);
      expect(await bed.done(api.request({ kind: "lease-keep-alive", id }))).toMatchObject({ id, ttl: 3 });
    }
    const left = await bed.done(bed.api("n2").request({ kind: "lease-time-to-live", id, keys: true }));
    expect(left).toMatchObject({ grantedTtl: 3, keys: ["a"] });
    expect(left.ttl).toBeGreaterThan(0);
    await bed.sleep(5 * SECOND);
    expect(await bed.get(bed.api("n3"), "a")).toBeUndefined();
  });

  it("are not shorter than an election and a half", async () => {
    const bed = new Testbed(1, 43);
    await bed.elect();
    const granted = await bed.done(bed.api("n1").request({ kind: "lease-grant", id: "7", ttl: 1 }));
    expect(granted).toMatchObject({ id: "7", ttl: 2 });
  });

  it("are revoked early by a deposed leader if that bug is planted, and never otherwise", async () => {
    const survives = async (bug: string) => {
      const bed = new Testbed(3, 44, { bug });
      const old = await bed.elect();
      const id = await granted(bed, bed.api(old), 4, "a");
      const others = NAMES.filter((name) => name !== old);
      const spoil = bed.network.spoil(
        others.flatMap(
          (name) =>
            [
              [name, old],
              [old, name],
            ] as const,
        ),
        { cut: true },
      );
      await bed.until(() => bed.leader() !== old && bed.node(bed.leader()).applied > bed.node(old).applied);
      spoil.heal();
      for (let i = 0; i < 12; i++) {
        await bed.sleep(SECOND / 2);
        await bed.done(bed.api(bed.leader()).request({ kind: "lease-keep-alive", id }));
      }
      return (await bed.get(bed.api(bed.leader()), "a")) === "held";
    };
    expect(await survives("")).toBe(true);
    expect(await survives("deposed-leader-revokes")).toBe(false);
  });
});

describe("locks", () => {
  it("are handed on in the order they were asked for", async () => {
    const bed = new Testbed(3, 45);
    await bed.elect();
    const order: string[] = [];
    for (const name of NAMES) {
      const api = bed.api(name, 60 * SECOND);
      const { id } = await bed.done(api.request({ kind: "lease-grant", id: "0", ttl: 60 }));
      const held = api.request({ kind: "lock", name: "l", lease: id }).then(({ key }) => {
        order.push(name);
        bed.world.tester.timer(SECOND, () => void api.request({ kind: "unlock", key }));
      });
      if (name === "n1") await bed.done(held);
      await bed.sleep(SECOND / 10);
    }
    expect(order).toEqual(["n1"]);
    await bed.until(() => order.length === 3);
    expect(order).toEqual(["n1", "n2", "n3"]);
  });

  it("are not given to whom the lease has left", async () => {
    const bed = new Testbed(3, 46);
    await bed.elect();
    const [first, second] = [bed.api("n1", 60 * SECOND), bed.api("n2", 60 * SECOND)];
    const lease = async (ttl: number) =>
      (await bed.done(first.request({ kind: "lease-grant", id: "0", ttl }))).id;
    const [long, short] = [await lease(60), await lease(2)];
    const { key } = await bed.done(first.request({ kind: "lock", name: "l", lease: long }));
    const waiting = second.request({ kind: "lock", name: "l", lease: short });
    waiting.catch(() => {});
    await bed.sleep(4 * SECOND);
    await bed.done(first.request({ kind: "unlock", key }));
    await expect(bed.done(waiting)).rejects.toMatchObject({
      message: "mutex: session is expired",
      definite: true,
    });
    await expect(bed.done(first.request({ kind: "lock", name: "l", lease: short }))).rejects.toMatchObject({
      message: "etcdserver: requested lease not found",
    });
  });

  it("leave the queue when their client gives up or goes away", async () => {
    const bed = new Testbed(3, 47);
    await bed.elect();
    const { id } = await bed.done(bed.api("n1").request({ kind: "lease-grant", id: "0", ttl: 600 }));
    const { id: other } = await bed.done(bed.api("n1").request({ kind: "lease-grant", id: "0", ttl: 600 }));
    await bed.done(bed.api("n1").request({ kind: "lock", name: "l", lease: id }));
    const keys = () => {
      const found = bed.node("n1").store.range({ kind: "range", key: "l/", rangeEnd: "l0" });
      return found.kind === "range" ? found.count : -1;
    };
    await expect(
      bed.done(bed.api("n2", SECOND).request({ kind: "lock", name: "l", lease: other })),
    ).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", definite: false });
    await bed.until(() => keys() === 1);
    const api = bed.api("n3", 60 * SECOND);
    api.request({ kind: "lock", name: "l", lease: other }).catch(() => {});
    await bed.until(() => keys() === 2);
    api.close();
    await bed.until(() => keys() === 1);
  });

  it("are held twice if a waiter looks at its neighbour only", async () => {
    const grants = async (bug: string) => {
      const bed = new Testbed(3, 48, { bug });
      await bed.elect();
      const held: string[] = [];
      const lock = async (name: string, ttl: number) => {
        const api = bed.api(name, 60 * SECOND);
        const { id } = await bed.done(api.request({ kind: "lease-grant", id: "0", ttl }));
        api.request({ kind: "lock", name: "l", lease: id }).then(
          () => held.push(name),
          () => {},
        );
        await bed.sleep(SECOND / 10);
      };
      await lock("n1", 60);
      await lock("n2", 2);
      await lock("n3", 60);
      await bed.sleep(5 * SECOND);
      return held;
    };
    expect(await grants("")).toEqual(["n1"]);
    expect(await grants("lock-skips-queue")).toEqual(["n1", "n3"]);
  });
});
