/**
 * Plays the scripts in testdata/: each command is followed by a line of dashes and by what the cluster said to it.
 * UPDATE=1 writes the output anew, to be reviewed as a diff.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ConfigChange, MemberId, Message } from "./message.ts";
import { formatConfiguration, ScriptedCluster, type Tuning } from "./scripted-cluster.ts";

const folder = new URL("./testdata/", import.meta.url);

describe("interaction", () => {
  for (const name of readdirSync(folder).sort()) {
    it(name, () => {
      const file = new URL(name, folder);
      const script = readFileSync(file, "utf8");
      const played = play(script);
      if (process.env.UPDATE === "1") writeFileSync(file, played);
      else expect(played).toBe(script);
    });
  }
});

/** The script with the output of this build. Blocks are separated by blank lines; `#` begins a comment. */
function play(script: string): string {
  let cluster: ScriptedCluster | undefined;
  const blocks = script.trimEnd().split(/\n\n+/);
  const played = blocks.map((block) => {
    const lines = block.split("\n");
    const end = lines.indexOf("----");
    const given = end < 0 ? lines : lines.slice(0, end);
    const commands = given.filter((line) => !line.startsWith("#") && line !== "");
    if (commands.length === 0) return block;
    const output: string[] = [];
    for (const command of commands) {
      const [verb, ...words] = command.split(" ");
      if (verb === "cluster") cluster = create(words);
      else if (cluster !== undefined) perform(cluster, verb!, words);
      const said = cluster!.output.splice(0);
      if (said.length > 0 && commands.length > 1) output.push(`> ${command}`);
      output.push(...said);
    }
    const said = output.length === 0 ? ["ok"] : output;
    return [...given, "----", ...said].join("\n");
  });
  return `${played.join("\n\n")}\n`;
}

/** `cluster 4 learners=3 spares=4 preVote=true maxEntriesPerMessage=1` */
function create(words: readonly string[]): ScriptedCluster {
  const tuning: Record<string, unknown> = {};
  const others: Record<string, MemberId[]> = {};
  for (const word of words.slice(1)) {
    const [name, value] = word.split("=") as [string, string];
    if (name === "learners" || name === "spares") others[name] = value.split(",").map(Number);
    else if (value === "true" || value === "false") tuning[name] = value === "true";
    else tuning[name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  return new ScriptedCluster(Number(words[0]), tuning as Partial<Tuning>, others);
}

function perform(cluster: ScriptedCluster, verb: string, words: readonly string[]): void {
  const id = Number(words[0]);
  const second = Number(words[1]);
  const core = () => cluster.core(id);
  switch (verb) {
    case "campaign":
      core().campaign();
      return;
    case "tick":
      cluster.tick(id, words.length > 1 ? second : 1);
      return;
    case "propose":
      cluster.propose(id, ...words.slice(1));
      return;
    case "change":
      cluster.proposeChange(id, parseChange(words.slice(1)));
      return;
    case "read":
      cluster.read(id, second);
      return;
    case "transfer":
      core().transferLeader(second);
      return;
    case "forget-leader":
      core().forgetLeader();
      return;
    case "unreachable":
      core().reportUnreachable(second);
      return;
    case "snapshot-report":
      core().reportSnapshot(second, words[2] === "delivered");
      return;
    case "compact":
      cluster.compact(id, second);
      return;
    case "restart":
      cluster.restart(id);
      return;
    case "ready":
      cluster.ready(id);
      return;
    case "write":
      cluster.write(id);
      return;
    case "apply":
      cluster.apply(id);
      return;
    case "status":
      cluster.status(id);
      return;
    case "log":
      cluster.log(id);
      return;
    case "configuration":
      cluster.output.push(`${id} uses ${formatConfiguration(core().configuration)}`);
      return;
    case "state":
      cluster.output.push(`${id} holds ${cluster.member(id).applied.join(" ")}`);
      return;
    case "deliver":
      cluster.deliver(parseFilter(words));
      return;
    case "drop":
      cluster.drop(parseFilter(words));
      return;
    case "settle":
      cluster.settle(words.length > 0 ? words.map(Number) : undefined);
      return;
    // As settle, and says nothing: for what is not the subject of the script.
    case "quietly": {
      perform(cluster, words[0]!, words.slice(1));
      cluster.output.length = 0;
      return;
    }
    // Only what the members become, commit and use.
    case "briefly": {
      perform(cluster, words[0]!, words.slice(1));
      const told = cluster.output.filter((line) => / \* |^\d+ uses/.test(line));
      cluster.output.splice(0, cluster.output.length, ...told);
      return;
    }
    default:
      throw new Error(`no such command: ${verb}`);
  }
}

/** `from=1 to=2 type=append`, each of them optional. */
function parseFilter(words: readonly string[]): (message: Message) => boolean {
  const wanted = words.map((word) => word.split("=") as ["from" | "to" | "type", string]);
  return (message) => wanted.every(([field, value]) => String(message[field]) === value);
}

/** `add-voter 4 remove 1 explicit`, or `leave`. */
function parseChange(words: readonly string[]): ConfigChange {
  const changes: { type: "add-voter" | "add-learner" | "remove"; member: MemberId }[] = [];
  let transition: ConfigChange["transition"] = "auto";
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "add-voter" || word === "add-learner" || word === "remove") {
      changes.push({ type: word, member: Number(words[++i]) });
    } else if (word === "implicit" || word === "explicit") {
      transition = word;
    }
  }
  return { changes, transition };
}
