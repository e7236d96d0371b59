/**
 * Rights to ranges of keys: nobody does what nobody permits, and nobody is refused what somebody permits.
 *
 * The keys are numbered, and rights are given for spans of them. What an administrator has set at a time is known
 * only within bounds, since operations overlap and answers get lost: each setting is a register, and an act may
 * meet any value that a read of a regular register could return (Lamport, On Interprocess Communication, 1986).
 * An act was wrongly permitted if no combination of these values covers it, and wrongly refused if every one does.
 * O(acts x settings of their user).
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";

export type Access = "read" | "write" | "readwrite";
/** Keys from number `from` up to, not including, number `to`. */
export type Span = { readonly from: number; readonly to: number };
/** Reads and writes, each in the ways in which one can be put: `both` reads what it replaces. */
export type Deed = Span & { readonly access: "read" | "write" | "both"; readonly how: string };

export type RightsSignature = {
  /** Makes the administrator, and switches authentication on. */
  setup: { in: null; out: null };
  /** Brings in a user with a role of its own that permits nothing. Every name is used once. */
  enrol: { in: { readonly user: string }; out: { readonly user: string } };
  /** Replaces what the user was permitted for the very same span. */
  grant: { in: Span & { readonly user: string; readonly access: Access }; out: null };
  revoke: { in: Span & { readonly user: string }; out: null };
  /** Takes the role from its user, and gives it back. */
  suspend: { in: { readonly user: string }; out: null };
  reinstate: { in: { readonly user: string }; out: null };
  act: { in: Deed & { readonly user: string }; out: { readonly allowed: boolean } };
};

type Setting = OperationOf<RightsSignature, "grant" | "revoke" | "suspend" | "reinstate">;
type Act = OperationOf<RightsSignature, "act"> & { readonly type: "ok" };

/** What can be set apart from the rest: the rights to one span, or the possession of the role. */
interface Register {
  readonly span: Span | undefined;
  readonly writes: Setting[];
}

export const authorizationChecker: Checker<RightsSignature> = {
  name: "authorization",
  check: (history) => judge(history),
};

function judge(history: History<RightsSignature>) {
  const findings = new Findings();
  const registers = registersByUser(history);
  let judged = 0;
  for (const act of history.byFunction("act")) {
    if (act.type !== "ok") continue;
    const own = registers.get(act.input.user);
    if (own === undefined) continue;
    judged++;
    const { allowed } = act.output;
    const met = own.map((register) => ({ register, values: possible(register, act) }));
    const held = (sure: boolean) =>
      met.every(({ register, values }) => register.span !== undefined || agrees(values, sure, isOn));
    const covered = (sure: boolean) =>
      held(sure) &&
      needs(act.input).every((access) =>
        cells(act.input).every((cell) =>
          met.some(
            ({ register: { span }, values }) =>
              span !== undefined &&
              span.from <= cell &&
              cell < span.to &&
              agrees(values, sure, (value) => permits(value, access)),
          ),
        ),
      );
    const tell = () =>
      `${who(act)} did "${act.input.how}" to keys ${act.input.from} up to ${act.input.to} as ${act.input.user}`;
    const witness = [act.invokeIndex, act.completeIndex, ...settings(met.flatMap(({ values }) => values))];
    if (allowed && !covered(false))
      findings.add("forbidden act", "authorization: only what is permitted", witness, () => {
        return `${tell()} and was let, though at no time meanwhile that user had the rights it takes`;
      });
    else if (!allowed && covered(true))
      findings.add("refused right", "authorization: whatever is permitted", witness, () => {
        return `${tell()} and was refused, though all the time that user had the rights it takes`;
      });
  }
  return findings.verdict("authorization", judged, "acts");
}

/** Of users that were enrolled for certain; the possession of the role comes first. */
function registersByUser(history: History<RightsSignature>): ReadonlyMap<string, readonly Register[]> {
  const registers = new Map<string, Register[]>();
  for (const { type, input } of history.byFunction("enrol"))
    if (type === "ok") registers.set(input.user, [{ span: undefined, writes: [] }]);
  const all = (["grant", "revoke", "suspend", "reinstate"] as const).flatMap((f): readonly Setting[] =>
    history.byFunction(f),
  );
  for (const setting of all.sort((a, b) => a.invokeIndex - b.invokeIndex)) {
    const own = registers.get(setting.input.user);
    if (own === undefined || setting.type === "fail") continue;
    const span = "from" in setting.input ? setting.input : undefined;
    let register = own.find((other) => other.span?.from === span?.from && other.span?.to === span?.to);
    if (register === undefined) {
      register = { span, writes: [] };
      own.push(register);
    }
    register.writes.push(setting);
  }
  return registers;
}

/** What an act may have met: settings that it overlaps or follows, but for those replaced before it. */
function possible({ writes }: Register, act: Act): readonly (Setting | undefined)[] {
  const before = writes.filter(({ type, completeIndex }) => type === "ok" && completeIndex < act.invokeIndex);
  const latest = before.reduce((newest, { invokeIndex }) => Math.max(newest, invokeIndex), -1);
  const met: (Setting | undefined)[] = writes.filter(
    ({ type, invokeIndex, completeIndex }) =>
      invokeIndex < act.completeIndex && (type !== "ok" || completeIndex > latest),
  );
  return before.length === 0 ? [undefined, ...met] : met;
}

/** Whether all of the values, or at least one, satisfy a condition. */
function agrees(
  values: readonly (Setting | undefined)[],
  all: boolean,
  condition: (value: Setting | undefined) => boolean,
): boolean {
  return all ? values.every(condition) : values.some(condition);
}

function permits(setting: Setting | undefined, access: "read" | "write"): boolean {
  return setting?.f === "grant" && (setting.input.access === access || setting.input.access === "readwrite");
}

/** A user has its role from the beginning. */
function isOn(setting: Setting | undefined): boolean {
  return setting?.f !== "suspend";
}

function needs({ access }: Deed): readonly ("read" | "write")[] {
  return access === "both" ? ["read", "write"] : [access];
}

function cells({ from, to }: Span): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function settings(values: readonly (Setting | undefined)[]): readonly number[] {
  return values.flatMap((value) => (value === undefined ? [] : [value.invokeIndex, value.completeIndex]));
}
