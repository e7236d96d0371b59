/**
 * Operations in a log of Jepsen's, as Porcupine's tests have them:
 *
 *     INFO  jepsen.util - 2	:invoke	:cas	[1 0]
 *
 * Other lines of the log are passed over. A compare-and-set that failed without an error has compared and lost,
 * which is an observation and not a failure; where something went wrong instead, its word stands for the value.
 */
import type { Op } from "../op.ts";
import { parseEdn } from "./edn.ts";
import type { RecordedEvent } from "./recorded.ts";
import { FormatError, type TextSource } from "./text-source.ts";

const MARK = /\bjepsen\.util - /;
const OPERATION = /\bjepsen\.util - (\d+|:nemesis)\s+:(invoke|ok|fail|info)\s+:([^\s]+)(?:\s+(.*))?$/;

export function* readLog(source: TextSource): Generator<RecordedEvent> {
  for (let line = source.nextLine(); line !== undefined; line = source.nextLine()) {
    if (!MARK.test(line)) continue;
    const match = OPERATION.exec(line.trimEnd());
    if (match === null) throw new FormatError("not PROCESS, :TYPE, :FUNCTION and VALUE behind jepsen.util -");
    const [, process, type, f, rest] = match as unknown as [string, string, Op["type"], string, string?];
    const [value = null, more] = parseEdn(rest ?? "");
    if (process === ":nemesis") {
      yield { process: "nemesis", type, f, value };
      continue;
    }
    const word = type === "fail" || type === "info" ? (more ?? value) : undefined;
    const error = typeof word === "string" ? word : undefined;
    const common = { process: Number(process), f, error };
    if (type === "fail" && f === "cas" && error === undefined) yield { ...common, type: "ok", value: false };
    else yield { ...common, type, value: value === error ? null : value };
  }
}
