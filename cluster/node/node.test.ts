import { describe, expect, it } from "vitest";
import type { WatchResponse } from "../api.ts";
import { Testbed } from "./testbed.ts";

describe("a cluster of three", () => {
  it("elects a leader and serves every kind of request through every member", async () => {
    const bed = new Testbed(3, 1);
    await bed.elect();
    for (const name of ["n1", "n2", "n3"]) {
      const api = bed.api(name);
      const put = await bed.done(api.request({ kind: "put", key: "a", value: name }));
      expect(put.header.memberId).toBe(name.slice(1));
      expect(await bed.get(api, "a")).toBe(name);
      const txn = await bed.done(
        api.request({
          kind: "txn",
          compare: [{ key: "a", target: "value", result: "equal", operand: name }],
          success: [{ kind: "put", key: "b", value: name }],
          failure: [],
        }),
      );
      expect(txn.succeeded).toBe(true);
      expect(await bed.get(api, "b")).toBe(name);
      api.close();
    }
  });

  it("streams watches", async () => {
    const bed = new Testbed(3, 2);
    await bed.elect();
    const responses: WatchResponse[] = [];
    const api = bed.api("n2");
    const watch = api.watch(
      { key: "a", startRevision: 1 },
      { response: (r) => responses.push(r), ended: () => {} },
    );
    for (let i = 0; i < 3; i++)
      await bed.done(bed.api("n1").request({ kind: "put", key: "a", value: String(i) }));
    const events = () => responses.flatMap((r) => r.events.map((e) => e.kv.value));
    await bed.until(() => events().length === 3);
    expect(events()).toEqual(["0", "1", "2"]);
    watch.requestProgress();
    await bed.until(() => responses.at(-1)?.kind === "progress");
    expect(responses.at(-1)?.header.revision).toBe(4);
    watch.cancel();
    await bed.until(() => responses.at(-1)?.kind === "canceled");
  });
});
