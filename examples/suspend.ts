/** A fault of your own: a virtual machine is suspended, and its wall clock has fallen behind when it wakes. */
import { drawTarget, resolveTarget, SECOND, spanFault } from "faultline";

export const suspend = spanFault({
  name: "suspend",
  summary: "freezes members and sets their wall clocks back, as a suspended machine",
  needs: ["processes", "clocks"],
  colour: "#556b2f",
  draw: (random, options) => ({
    target: drawTarget(random, options, ["one", "minority", "leaders"]),
    backSeconds: random.between(1, 60),
  }),
  async begin(cluster, value, random) {
    const { processes, clocks } = cluster.can;
    if (processes === undefined || clocks === undefined) throw new Error("this place cannot suspend");
    const victims = await resolveTarget(String(value.target), cluster, random);
    const nodes = victims.filter((node) => processes.state(node) === "running");
    for (const node of nodes) {
      await processes.pause(node);
      await clocks.jump(node, -Number(value.backSeconds) * SECOND);
    }
    return {
      // Becomes the value of the start's completion: who was hit, and how.
      evidence: { ...value, nodes },
      async heal() {
        for (const node of nodes) {
          await clocks.reset(node);
          await processes.resume(node);
        }
        return { evidence: {}, bites: nodes.length };
      },
    };
  },
});
