import { describe, expect, it } from "vitest";
import { isDefinite, knownErrors } from "./errors.ts";
import * as kvErrors from "./kv/errors.ts";
import type { StatusCode, StatusError } from "./kv/request.ts";
import { ErrTimeoutLeaderTransfer } from "./node/leader-requests.ts";
import { ErrSessionExpired } from "./node/lock.ts";
import * as membership from "./node/membership.ts";

const text = (message: (typeof knownErrors)[number]["message"]) =>
  typeof message === "string" ? message : `${message.prefix}: and more`;

describe("the table of errors", () => {
  it.each(knownErrors.map((known) => [known.code, text(known.message), known.definite] as const))(
    "%s %s: definite %s",
    (code, message, definite) => {
      expect(isDefinite(code, message)).toBe(definite);
    },
  );

  it("has each error once", () => {
    const names = knownErrors.map((known) => `${known.code} ${JSON.stringify(known.message)}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it("knows every error that a member can answer with", () => {
    const isError = (value: unknown): value is StatusError =>
      typeof value === "object" && value !== null && "kind" in value && value.kind === "error";
    const answered: StatusError[] = [
      ...Object.values(kvErrors).filter(isError),
      ...Object.values(membership).filter(isError),
      ErrTimeoutLeaderTransfer,
      ErrSessionExpired,
    ];
    expect(answered.length).toBeGreaterThan(30);
    const unknown = answered.filter(
      ({ code, message }) => !knownErrors.some((known) => known.code === code && known.message === message),
    );
    expect(unknown).toEqual([]);
  });

  it.each<[StatusCode, string]>([
    ["UNAVAILABLE", "etcdserver: something new"],
    ["UNKNOWN", ""],
    // The right words under another code are another error.
    ["UNKNOWN", "etcdserver: requested lease not found"],
    ["INVALID_ARGUMENT", "etcdserver: key is not provided, perhaps"],
    // Whoever does not know whether it happened: a timeout, a lost connection, a change of leaders.
    ["DEADLINE_EXCEEDED", "context deadline exceeded"],
    ["UNAVAILABLE", "connection lost"],
    ["UNAVAILABLE", "etcdserver: leader changed"],
    ["UNAVAILABLE", "etcdserver: request timed out"],
    ["UNAVAILABLE", "etcdserver: no leader"],
  ])("takes %s %s for indefinite", (code, message) => {
    expect(isDefinite(code, message)).toBe(false);
  });
});
