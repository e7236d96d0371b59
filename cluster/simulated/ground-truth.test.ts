import { describe, expect, it } from "vitest";
import { World } from "../../src/runtime/world.ts";
import { ApiError, type KvApi, type KvRequest } from "../api.ts";
import type { Applied, Command } from "../kv/command.ts";
import { ErrLeaseNotFound } from "../kv/errors.ts";
import { encodeProposal } from "../node/proposal.ts";
import type { Entry } from "../raft/message.ts";
import { GroundTruth } from "./ground-truth.ts";
import { SiteWatch } from "./site-watch.ts";

const PUT: KvRequest = { kind: "put", key: "k", value: "v" };
const DONE: Applied = { response: { kind: "put" }, revision: 2, events: [] };
const REFUSED: Applied = { ...DONE, response: ErrLeaseNotFound };

/** One client, and a member that proposes what it is sent. */
class Scene {
  readonly sites = new SiteWatch(new World(1), { maxInflight: 1, cut: () => false });
  readonly truth = new GroundTruth(this.sites);
  #proposals = 0;
  #entries = 0;

  /** Sends a request that the node answers so; returns what reached the node. */
  async send(answer: "ok" | "fail" | "info", request: KvRequest = PUT): Promise<Command> {
    let arrived: KvRequest = request;
    const api: KvApi = {
      async request(sent) {
        arrived = sent;
        if (answer !== "ok") throw new ApiError("UNAVAILABLE", "no luck", answer === "fail");
        return undefined as never;
      },
      watch: () => ({ requestProgress() {}, cancel() {} }),
      close() {},
    };
    await this.truth
      .overhear(api, "n1")
      .request(request)
      .catch(() => {});
    return arrived as Command;
  }

  propose(command: Command): Uint8Array {
    const data = encodeProposal(1, 1, ++this.#proposals, new Uint8Array(0));
    this.truth.proposed(command, data);
    return data;
  }

  apply(data: Uint8Array, applied = DONE, index = ++this.#entries): void {
    const entry: Entry = { index, term: 1, kind: "normal", data };
    this.truth.commandApplied(entry, applied);
  }

  get found(): readonly string[] | undefined {
    return this.truth.verdict()?.anomalies.map(({ name }) => name);
  }
}

describe("ground truth", () => {
  it.each([
    ["ok", "applied", []],
    ["ok", "refused", ["acknowledged yet not applied"]],
    ["ok", "lost", ["acknowledged yet not applied"]],
    ["fail", "applied", ["failed yet applied"]],
    ["fail", "refused", []],
    ["fail", "lost", []],
    ["info", "applied", []],
    ["info", "refused", []],
    ["info", "lost", []],
  ] as const)("of a write that is %s and %s", async (answer, fate, anomalies) => {
    const scene = new Scene();
    const data = scene.propose(await scene.send(answer));
    if (fate !== "lost") scene.apply(data, fate === "refused" ? REFUSED : DONE);
    expect(scene.found).toEqual(anomalies);
  });

  it("is judged by every entry once, however many members apply it", async () => {
    const scene = new Scene();
    const data = scene.propose(await scene.send("ok"));
    scene.apply(data, DONE, 1);
    scene.apply(data, DONE, 1);
    expect(scene.found).toEqual([]);
  });

  it("objects to a write that took effect in two entries, proposed once or twice", async () => {
    const scene = new Scene();
    const data = scene.propose(await scene.send("ok"));
    scene.apply(data);
    scene.apply(data);
    const command = await scene.send("ok");
    scene.apply(scene.propose(command));
    scene.apply(scene.propose(command));
    expect(scene.found).toEqual(["applied twice", "applied twice"]);
  });

  it("tells apart two requests made of one object", async () => {
    const scene = new Scene();
    for (let i = 0; i < 2; i++) scene.apply(scene.propose(await scene.send("ok")));
    expect(scene.found).toEqual([]);
  });

  it("does not judge reads, and nothing without a write", async () => {
    const scene = new Scene();
    const read: KvRequest = { kind: "range", key: "k" };
    await scene.send("ok", read);
    await scene.send("ok", { kind: "txn", compare: [], success: [read], failure: [] });
    expect(scene.found).toBeUndefined();
  });

  it("reaches a site when a write whose client does not know took effect", async () => {
    const scene = new Scene();
    await scene.send("info");
    scene.truth.verdict();
    expect(scene.sites.reached).toEqual({});
    scene.apply(scene.propose(await scene.send("info")));
    scene.truth.verdict();
    expect(scene.sites.reached).toEqual({ "timed-out-yet-applied": 1 });
  });
});
