import { afterEach, describe, expect, it } from "vitest";
import { LiveTestbed, until } from "./testbed.ts";

let bed: LiveTestbed;
afterEach(() => bed.end());

describe("three members", () => {
  it("elect, serve, and bring everything back after a restart", async () => {
    bed = new LiveTestbed();
    await bed.found("a", "b", "c");
    const client = (await bed.leader()).connect();
    for (let i = 0; i < 100; i++) await client.request({ kind: "put", key: `k${i % 10}`, value: String(i) });
    const before = await client.request({ kind: "range", key: "k3" });
    expect(before.kvs[0]).toMatchObject({ value: "93", version: 10 });
    for (const name of ["a", "b", "c"]) await bed.stop(name);
    for (const name of ["a", "b", "c"]) await bed.start(name);
    const again = (await bed.leader()).connect();
    const after = await again.request({ kind: "range", key: "k3" });
    expect(after.kvs).toEqual(before.kvs);
    await until("names are known", () =>
      [...bed.members.values()].every(({ node }) =>
        node.members().every((member) => member.clientUrls?.[0] === `http://${member.name}.test:2379`),
      ),
    );
  });
});
