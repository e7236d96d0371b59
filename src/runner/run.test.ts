import { expect, it } from "vitest";
import { parsePlan } from "../plan.ts";
import { assemble } from "../registry.ts";
import { run } from "./run.ts";

it("a workload's setup is tried again when a slow cluster cuts it off", async () => {
  const test = assemble(parsePlan({ workload: "bank", nodes: 3, faults: [], duration: 2 }));
  let failures = 2;
  const setup = test.workload.setup as NonNullable<typeof test.workload.setup>;
  const workload = {
    ...test.workload,
    setup: async (api: Parameters<typeof setup>[0]) => {
      await setup(api);
      if (failures-- > 0) throw new Error("done, and nobody was told");
    },
  };
  const { result } = await run({ ...test, workload }, { record: () => {}, messages: false });
  expect(failures).toBe(-1);
  expect(result.validity).toBe("valid");
});
