/** From an api's answers and errors to outcomes: the one place where "definite" becomes `fail` or `info`. */
import { ApiError } from "../cluster/api.ts";
import type { Json, Outcome } from "../src/history/op.ts";

function describe(error: ApiError): string {
  return `${error.code}: ${error.message}`;
}

/** Runs a request that may change the store: an error that is not definite leaves the outcome open. */
export async function attemptWrite<Out extends Json>(
  body: () => Promise<Outcome<Out>>,
): Promise<Outcome<Out>> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { type: error.definite ? "fail" : "info", error: describe(error) };
  }
}

/** Runs a request that changes nothing: whatever the error, it did not take effect. */
export async function attemptRead<Out extends Json>(
  body: () => Promise<Outcome<Out>>,
): Promise<Outcome<Out>> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { type: "fail", error: describe(error) };
  }
}

export function ok<Out extends Json>(value: Out): Outcome<Out> {
  return { type: "ok", value };
}
