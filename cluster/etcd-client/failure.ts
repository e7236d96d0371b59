/** What went wrong with a call, in the api's words. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { ApiError } from "../api.ts";
import { CONNECTION_LOST, CONNECTION_REFUSED, DEADLINE_EXCEEDED, isDefinite, NOT_SENT } from "../errors.ts";
import { STATUS_NUMBERS } from "../etcd/rpc.ts";
import type { StatusCode } from "../kv/request.ts";

const CODES = new Map(Object.entries(STATUS_NUMBERS).map(([code, number]) => [number, code as StatusCode]));

/** grpc-js found nobody, or lost them. What it says besides holds times and addresses. */
const NOBODY = "No connection established";
const LOST = "Connection dropped";
/** How grpc-js ends its account of a deadline that passed before a connection was there for the request. */
const UNSENT = /(?:Waiting for LB pick|waiting for name resolution|waiting for metadata filters)$/;

export function failureOf({ code, details }: Pick<ServiceError, "code" | "details">): ApiError {
  if (code === status.UNAVAILABLE && details.startsWith(NOBODY))
    return failure("UNAVAILABLE", CONNECTION_REFUSED);
  if (code === status.UNAVAILABLE && details.startsWith(LOST)) return failure("UNAVAILABLE", CONNECTION_LOST);
  if (code === status.DEADLINE_EXCEEDED)
    return failure("DEADLINE_EXCEEDED", UNSENT.test(details) ? NOT_SENT : DEADLINE_EXCEEDED);
  return failure(CODES.get(code) ?? "UNKNOWN", code === status.CANCELLED ? "context canceled" : details);
}

function failure(code: StatusCode, message: string): ApiError {
  return new ApiError(code, message, isDefinite(code, message));
}

/** Whether the connection is worth nothing any more. */
export function isDisconnection({ message }: ApiError): boolean {
  return message === CONNECTION_REFUSED || message === CONNECTION_LOST;
}
