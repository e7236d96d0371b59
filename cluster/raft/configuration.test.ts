import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeConfiguration, emptyConfiguration, isJoint, isVoter, makesSense } from "./configuration.ts";
import type { ConfigChange, Configuration, MemberId } from "./message.ts";
import { quorumSize } from "./quorum.ts";

const base: Configuration = {
  voters: [1, 2, 3],
  votersOutgoing: [],
  learners: [4],
  learnersNext: [],
  autoLeave: false,
};

type Step = ConfigChange["changes"][number];
const add = (member: MemberId): Step => ({ type: "add-voter", member });
const learn = (member: MemberId): Step => ({ type: "add-learner", member });
const remove = (member: MemberId): Step => ({ type: "remove", member });

function change(
  from: Configuration,
  changes: readonly Step[],
  transition: ConfigChange["transition"] = "auto",
): Configuration {
  const result = changeConfiguration(from, { changes, transition });
  if (!result.ok) throw new Error(result.reason);
  return result.configuration;
}

function refusal(
  from: Configuration,
  changes: readonly Step[],
  transition: ConfigChange["transition"] = "auto",
) {
  return changeConfiguration(from, { changes, transition }).ok ? "accepted" : "refused";
}

describe("a single change", () => {
  it.each([
    ["adds a voter", [add(5)], { voters: [1, 2, 3, 5] }],
    ["adds a learner", [learn(5)], { learners: [4, 5] }],
    ["promotes a learner", [add(4)], { voters: [1, 2, 3, 4], learners: [] }],
    ["demotes a voter", [learn(2)], { voters: [1, 3], learners: [2, 4] }],
    ["removes a voter", [remove(2)], { voters: [1, 3] }],
    ["removes a learner", [remove(4)], { learners: [] }],
    ["adds who is there, to no effect", [add(1)], {}],
    ["removes who is not there, to no effect", [remove(9)], {}],
  ] as const)("%s", (_name, changes, expected) => {
    expect(change(base, changes)).toEqual({ ...base, ...expected });
  });

  it("never takes the last voter", () => {
    const alone = { ...base, voters: [1] };
    expect(refusal(alone, [remove(1)])).toBe("refused");
    expect(refusal(alone, [learn(1)])).toBe("refused");
    expect(refusal(alone, [remove(4)])).toBe("accepted");
  });

  it("is not made by who does not know the cluster", () => {
    expect(refusal({ ...base, voters: [], learners: [] }, [add(5)])).toBe("refused");
  });

  it.each([0, -1, 1.5, Number.NaN])("is refused for the member %d", (member) => {
    expect(refusal(base, [add(member)])).toBe("refused");
  });
});

describe("several changes", () => {
  it("go through a joint configuration, to be left by itself unless explicit", () => {
    const joint = change(base, [add(5), remove(1)]);
    expect(joint).toEqual({ ...base, voters: [2, 3, 5], votersOutgoing: [1, 2, 3], autoLeave: true });
    expect(change(base, [add(5)], "implicit")).toEqual({
      ...base,
      voters: [1, 2, 3, 5],
      votersOutgoing: [1, 2, 3],
      autoLeave: true,
    });
    expect(change(base, [add(5), remove(1)], "explicit").autoLeave).toBe(false);
  });

  it("leave the outgoing voters their vote, also those who will be learners", () => {
    const joint = change(base, [learn(1), add(4)], "explicit");
    expect(joint).toEqual({
      voters: [2, 3, 4],
      votersOutgoing: [1, 2, 3],
      learners: [],
      learnersNext: [1],
      autoLeave: false,
    });
    expect(isVoter(joint, 1)).toBe(true);
    expect(change(joint, [])).toEqual({ ...base, voters: [2, 3, 4], learners: [1] });
  });

  it("are made one joint configuration after the other", () => {
    const joint = change(base, [add(5)], "explicit");
    expect(refusal(joint, [add(6)])).toBe("refused");
    expect(refusal(joint, [add(6)], "explicit")).toBe("refused");
    expect(refusal(base, [])).toBe("refused");
    expect(change(joint, [])).toEqual({ ...base, voters: [1, 2, 3, 5] });
  });
});

const step = fc.record({
  type: fc.constantFrom("add-voter" as const, "add-learner" as const, "remove" as const),
  member: fc.integer({ min: 1, max: 6 }),
});
const anyChange = fc.record({
  changes: fc.array(step, { maxLength: 4 }),
  transition: fc.constantFrom("auto" as const, "implicit" as const, "explicit" as const),
});

/** Does this set of members, as bits, hold a quorum of every half? */
function decides(set: number, { voters, votersOutgoing }: Configuration): boolean {
  return [voters, votersOutgoing].every(
    (half) =>
      half.length === 0 || half.filter((id) => (set >> id) & 1).length >= quorumSize(half.length, false),
  );
}

describe("a run of changes", () => {
  it("keeps the roles apart", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 12 }), (changes) => {
        let configuration = base;
        for (const next of changes) {
          const result = changeConfiguration(configuration, next);
          if (result.ok) configuration = result.configuration;
          const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
          expect(voters.length).toBeGreaterThan(0);
          expect(learners.some((id) => isVoter(configuration, id))).toBe(false);
          expect(learnersNext.every((id) => votersOutgoing.includes(id) && !voters.includes(id))).toBe(true);
          if (!isJoint(configuration)) expect([learnersNext, autoLeave]).toEqual([[], false]);
          for (const ids of [voters, votersOutgoing, learners, learnersNext]) {
            expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
          }
          expect(makesSense(configuration)).toBe(true);
        }
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it("never lets two disjoint sets decide, one before and one after a change", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 8 }), (changes) => {
        let before = base;
        for (const next of changes) {
          const result = changeConfiguration(before, next);
          if (!result.ok) continue;
          const after = result.configuration;
          const everybody = 0b1111110;
          for (let set = 0; set <= everybody; set += 2) {
            if (decides(set, before)) expect(decides(everybody & ~set, after)).toBe(false);
          }
          before = after;
        }
      }),
      { seed: 3, numRuns: 100 },
    );
  });
});

describe("a configuration makes sense", () => {
  const joint = { ...base, votersOutgoing: [1, 2, 9], learnersNext: [9], autoLeave: true };
  it.each<[string, Configuration, boolean]>([
    ["with voters and learners", base, true],
    ["in between two", joint, true],
    ["never without voters", { ...base, voters: [] }, false],
    ["never when it is empty", emptyConfiguration, false],
    ["never with a voter twice", { ...base, voters: [1, 1, 2] }, false],
    ["never out of order", { ...base, voters: [2, 1] }, false],
    ["never with nobody as a voter", { ...base, voters: [0, 1] }, false],
    ["never with a voter that only listens", { ...base, learners: [3] }, false],
    ["never with an outgoing voter that only listens", { ...joint, learners: [9], learnersNext: [] }, false],
    ["never with a learner to be that does not go", { ...joint, learnersNext: [4] }, false],
    ["never with a learner to be that votes on", { ...joint, learnersNext: [1] }, false],
    ["never with something to leave that was not entered", { ...base, autoLeave: true }, false],
  ])("%s", (_when, configuration, sense) => expect(makesSense(configuration)).toBe(sense));
});
